"""``s2i``: the image of an application and a builder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Self

from hermes.actions.specs.dockerfile import Context, contexts_of, reads_of
from hermes.actions.specs.spec import I, Spec, mixed
from hermes.layer.compress import ZSTD

SOURCE: Final = ""
SCRIPTS: Final = "scripts"
BUILDER: Final = "builder"
LAYERS: Final = "layers"
PREVIOUS: Final = "previous"
RUNTIME: Final = "runtime"
INJECTED: Final = "inject:"
"""What contexts are called: the application, scripts, images, layers on the builder, and files for a folder."""


class S2I(Spec[I]):
    """An image of an application; it stands for the actions of its steps.

    ``artifacts`` are texts as of ``--runtime-artifact``, ``name`` is the display name; other fields are as in `hermes.s2i.asked.Asked`. ``called`` maps names of contexts to what errors and labels
    call the images. ``contexts`` are called as the constants of this module say.
    """

    kind: ClassVar[str] = "s2i"
    for_platform: ClassVar[bool] = True

    artifacts: tuple[str, ...] = ()
    assemble_runtime_user: str = ""
    assemble_user: str = ""
    called: Mapping[str, str]
    description: str = ""
    destination: str = ""
    env: tuple[tuple[str, str], ...] = ()
    epoch: int
    labels: Mapping[str, str]
    name: str = ""
    network: bool = False
    contexts: tuple[Context[I], ...] = mixed()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment", "layers", "manifest")

    @property
    def codec_identity(self) -> str:
        return ZSTD.identity

    def reads(self) -> Iterator[tuple[str, I]]:
        return reads_of(self.contexts)

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        given = {**params, "artifacts": tuple(params.get("artifacts", ()))}
        given["env"] = tuple((name, value) for name, value in params.get("env", ()))
        return cls(**given, contexts=contexts_of(rows))

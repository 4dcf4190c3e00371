"""``pull``: an image of a registry."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, unkeyed
from hermes.digest import Digest


class Pull(Spec[I]):
    """An image of a registry by the ``digest`` of its manifest, or of an index; ``ref`` says where it is."""

    kind: ClassVar[str] = "pull"
    for_platform: ClassVar[bool] = True

    digest: Digest
    ref: str = unkeyed()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment", "layers", "manifest")

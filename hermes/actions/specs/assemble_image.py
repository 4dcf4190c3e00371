"""``assemble_image``: an image whose settings are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

from hermes.actions.specs.spec import I, Spec, mixed, role
from hermes.actions.specs.stack import Kept, Made
from hermes.digest import Digest
from hermes.image.descriptor import Descriptor


class MediaTypes(NamedTuple):
    """What a manifest calls itself and its parts."""

    config: str
    layer: str
    manifest: str


class AssembleImage(Spec[I]):
    """The configuration and manifest of an image whose settings are known, of those layers that hold anything.

    ``document`` is its configuration without layers and ``history``, whose rows without ``empty_layer`` stand for the
    ``layers``, the lowest first. The first ``base_layers`` stay even where they hold nothing. ``labels``, a JSON object,
    take the place of those in the document.
    """

    kind: ClassVar[str] = "assemble_image"

    annotations: Mapping[str, str]
    base_layers: int
    document: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    media_types: MediaTypes
    labels: I | None = role("labels", default=None)
    layers: tuple[Kept | Made[I], ...] = mixed()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("config", "environment", "layers", "manifest")

    def params(self) -> dict[str, Any]:
        found = super().params()
        kept = [one if isinstance(one, Kept) else None for one in self.layers]
        found["kept"] = [one and {**one.blob.to_json(), "diff_id": one.diff_id} for one in kept]
        return found

    def reads(self) -> Iterator[tuple[str, I]]:
        for one in self.layers:
            if isinstance(one, Made):
                yield "layer", one.layer
                yield "blob", one.blob
        if self.labels is not None:
            yield "labels", self.labels

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        inputs = (one for called, one in rows if called != "labels")
        layers: list[Kept | Made[I]] = [
            Made(next(inputs), next(inputs))
            if one is None
            else Kept(Digest(one["diff_id"]), Descriptor.from_json(one))
            for one in params["kept"]
        ]
        return cls(
            annotations=params["annotations"],
            base_layers=params["base_layers"],
            document=params["document"],
            history=tuple(params["history"]),
            media_types=MediaTypes(**params["media_types"]),
            labels=next((one for called, one in rows if called == "labels"), None),
            layers=tuple(layers),
        )

"""``manifest``: the document that names an image's configuration and its compressed layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from hermes.actions.specs.spec import I, Spec, mixed, role
from hermes.actions.specs.stack import Made, Whole


class Manifest(Spec[I]):
    """The manifest of an image: its configuration, and its layers, whose blobs are of ``media_type``, the lowest first."""

    kind: ClassVar[str] = "manifest"

    annotations: Mapping[str, str]
    media_type: str
    config: I = role("config")
    layers: tuple[Whole[I] | Made[I], ...] = mixed()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("manifest",)

    def reads(self) -> Iterator[tuple[str, I]]:
        yield "config", self.config
        for one in self.layers:
            if isinstance(one, Whole):
                yield "base", one.manifest
            else:
                yield "layer", one.layer
                yield "blob", one.blob

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        inputs = iter(rows)
        _, config = next(inputs)
        layers: list[Whole[I] | Made[I]] = [
            Whole(one) if called == "base" else Made(one, next(inputs)[1]) for called, one in inputs
        ]
        given = {"annotations": params["annotations"], "media_type": params["media_type"]}
        return cls(**given, config=config, layers=tuple(layers))

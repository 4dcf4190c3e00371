"""``manifest``: the document that names an image's configuration and its compressed layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from hermes.actions.specs.spec import I, Spec, mixed, role, unkeyed
from hermes.actions.specs.stack import Made, Whole


class Manifest(Spec[I]):
    """The manifest of an image: its configuration, and its layers, whose blobs are of ``media_type``, the lowest first.

    ``folders`` is the uppermost, which says what the image's folders are, and is compressed with ``codec`` here: a text that
    `hermes.layer.compress.codec_of` takes. ``docker``: in Docker's format.
    """

    kind: ClassVar[str] = "manifest"

    annotations: Mapping[str, str]
    codec: str = unkeyed()
    docker: bool = False
    media_type: str
    config: I = role("config")
    folders: I = role("folders")
    layers: tuple[Whole[I] | Made[I], ...] = mixed()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("manifest",)

    @property
    def codec_identity(self) -> str:
        from hermes.layer.compress import codec_of

        found = codec_of(self.codec)
        assert found is not None, self.codec
        return found.identity

    def reads(self) -> Iterator[tuple[str, I]]:
        yield "config", self.config
        yield "folders", self.folders
        for one in self.layers:
            if isinstance(one, Whole):
                yield "base", one.manifest
            else:
                yield "layer", one.layer
                yield "blob", one.blob

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        inputs = iter(rows)
        (_, config), (_, folders) = next(inputs), next(inputs)
        layers: list[Whole[I] | Made[I]] = [
            Whole(one) if called == "base" else Made(one, next(inputs)[1]) for called, one in inputs
        ]
        given = {
            name: params[name] for name in ("annotations", "codec", "media_type", "docker") if name in params
        }
        return cls(**given, config=config, folders=folders, layers=tuple(layers))

"""``compress``: a layer as a blob."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, role, unkeyed


class Compress(Spec[I]):
    """A layer as the blob that an image refers to. ``codec`` is what `hermes.layer.compress.codec_of` takes."""

    kind: ClassVar[str] = "compress"

    codec: str = unkeyed()
    layer: I = role("layer")

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("blob",)

    @property
    def codec_identity(self) -> str:
        from hermes.layer.compress import codec_of

        found = codec_of(self.codec)
        assert found is not None, self.codec
        return found.identity

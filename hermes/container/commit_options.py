"""How a working container becomes an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermes.layer.compress import Codec


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """How an image is written. ``seconds`` is the time of everything in it, since 1970 (default: as builds).

    Layers are compressed with ``compression`` at ``level`` (None: its usual one), but for those of the image that
    the container was made from: they stay as they are, unless ``recompress`` says otherwise or the format has no
    such layers.
    """

    squash: bool = False
    seconds: int | None = None
    format: str = "oci"
    compression: str = "zstd"
    level: int | None = None
    recompress: bool = False

    @property
    def codec(self) -> Codec:
        """What layers are compressed with; raises `UsageError` when the level is out of range."""
        from hermes.layer.compress import codec_at

        return codec_at("gzip" if self.format == "docker" else self.compression, self.level)

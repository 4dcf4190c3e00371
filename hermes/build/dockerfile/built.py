"""What came of building a Dockerfile."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.digest import Digest
from hermes.image.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class BuiltDockerfile:
    """``manifest`` is the image. ``executed`` are the kind and place (``Dockerfile:3``) of each action that ran."""

    manifest: Descriptor
    executed: tuple[tuple[str, str], ...]
    cached: int

    @property
    def digest(self) -> Digest:
        return self.manifest.digest

"""What came of building a Dockerfile."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.digest import Digest
from hermes.image.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class BuiltDockerfile:
    """An image that was built.

    ``manifest`` is the image, which got ``names`` in the store. ``executed`` are the kind and place (``Dockerfile:3``) of
    each action that ran.
    """

    manifest: Descriptor
    executed: tuple[tuple[str, str], ...]
    cached: int
    names: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        return self.manifest.digest

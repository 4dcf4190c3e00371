"""What a Dockerfile refers to by a name that is none of its stages: images and other contexts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.image.platform import Platform


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image whose layers are in the store, the lowest first. ``document`` is its configuration, without them."""

    name: str
    document: Mapping[str, Any]
    layers: tuple[Digest, ...]


class Origins(Protocol):
    """Finds them."""

    def image(self, name: str, platform: Platform) -> BaseImage:
        """Return an image; raises `HermesError` that says what can be done when there is none."""
        ...

    def context(self, name: str) -> Context | None:
        """Return the folder that was given this name, if one was."""
        ...

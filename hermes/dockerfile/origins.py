"""What a Dockerfile refers to by a name other than a stage's: images and named contexts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from hermes.digest import Digest
from hermes.dockerfile.context import Context
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform


class BaseLayer(NamedTuple):
    """A layer of a base. ``blob`` is how an image on it refers to it, unless it needs a form of its own."""

    diff_id: Digest
    blob: Descriptor | None = None


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image and its layers, the lowest first; they come into the store when a command or a copy has to see them.

    ``document`` is its configuration, without them.
    """

    name: str
    document: Mapping[str, Any]
    layers: tuple[BaseLayer, ...]


class Origins(Protocol):
    """Finds them. ``given`` are the names, in small letters, for which somebody said what they mean."""

    @property
    def given(self) -> Collection[str]: ...

    def image(self, name: str, platform: Platform) -> BaseImage:
        """Return an image; raises `HermesError` that says what can be done when there is none."""
        ...

    def context(self, name: str) -> Context | None:
        """Return the folder that was given this name, if one was."""
        ...

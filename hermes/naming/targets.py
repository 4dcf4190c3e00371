"""What a target gives where the name of an image is asked for. How targets are built is not known here."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.image.stored import descriptor_of
from hermes.store import Store
from hermes.transports.stored import StoreOrigin


class BuiltTarget(NamedTuple):
    """``images`` are the manifests or indexes that a target gives, ``layers`` the diff_ids of its layers.

    ``title`` is a name for its image as registries write them.
    """

    label: str
    title: str
    images: tuple[Digest, ...]
    layers: tuple[Digest, ...]

    @property
    def only_layers(self) -> tuple[Digest, ...]:
        """The layers of a target that gives no image."""
        return () if self.images else self.layers

    def origin(self, store: Store) -> StoreOrigin:
        """Return its one image or index; raises `UsageError` when there are none or several."""
        if not self.images:
            raise UsageError(f"{self.label} gives no image", hint="name a target of the rule image")
        if len(self.images) > 1:
            raise UsageError(
                f"{self.label} gives {len(self.images)} images", hint="name a target that gives one"
            )
        return StoreOrigin(store, descriptor_of(store, self.images[0]), self.label, self.title)


class BuildTarget(Protocol):
    """Builds the one target of the workspace here that a label names, for a platform (empty: this machine's)."""

    def __call__(self, label: str, home: Path, platform: str) -> BuiltTarget:
        """Return what it gives, in the store at ``home``; raises `HermesError` when it cannot be built."""
        ...

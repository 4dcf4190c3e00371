"""Images and indexes of the store, as where images come from: what is here is read as what is elsewhere is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from hermes.image.descriptor import Descriptor
from hermes.store import Store
from hermes.transports.transport import RemoteBlobs

if TYPE_CHECKING:
    from hermes.layer.decompress import Source


class StoreOrigin:
    """An image or index of the store, as a `hermes.transports.transport.Origin`."""

    def __init__(self, store: Store, root: Descriptor, name: str, title: str = "") -> None:
        self.name = name
        self.title = title
        self.remote: RemoteBlobs | None = None
        self._store = store
        self._root = root

    def root(self) -> Descriptor:
        return self._root

    def document(self, one: Descriptor) -> bytes:
        return self._store.blobs.read(one.digest)

    def open(self, one: Descriptor) -> AbstractContextManager[Source]:
        return self._store.blobs.open(one.digest)

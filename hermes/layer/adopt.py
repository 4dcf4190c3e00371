"""A compressed layer that somebody else made -> one that can be used: looked through once, and kept as it is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from hermes.digest import CHUNK, Digest
from hermes.errors import LayerError, MissingBlobError
from hermes.layer import encodings, toc
from hermes.layer.compress import Decompressed
from hermes.layer.entry import FILE, Entry
from hermes.layer.tar_reader import members
from hermes.layer.toc import TableOfContents
from hermes.store import Store


def adopt(store: Store, diff_id: Digest) -> None:
    """Make the table of contents of a layer from its foreign blob, which must be in the store.

    Raises `LayerError` when it is not what ``diff_id`` says, which is then forgotten, or no layer at all.
    """
    if os.path.exists(store.toc_path(diff_id)):
        return
    foreign = encodings.find_foreign(store, diff_id)
    if foreign is None or not store.blobs.has(foreign.digest, foreign.size):
        raise MissingBlobError(f"the store has no blob of layer {diff_id}", digest=diff_id)
    name = f"layer {foreign.digest.short}"
    with store.blobs.open(foreign.digest) as file:
        tar = _Hashed(Decompressed(file, name=name))
        entries = list(_entries(tar, name))
        tar.drain()
    if tar.digest != diff_id:
        encodings.forget_foreign(store, diff_id)
        raise LayerError(
            f"{name}: its layer has the diff_id {tar.digest}, and the image's configuration says {diff_id}",
            hint="the image is damaged, or lies; get it from where it was made",
        )
    toc.save(store, TableOfContents(diff_id, tar.size, entries))


class _Hashed:
    def __init__(self, source: Decompressed) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, count: int) -> bytes:
        data = self._source.read(count)
        self._hash.update(data)
        self.size += len(data)
        return data

    def drain(self) -> None:
        while self.read(CHUNK):
            pass

    @property
    def digest(self) -> Digest:
        return Digest.from_hex(self._hash.hexdigest())


def _entries(tar: _Hashed, name: str) -> Iterator[Entry]:
    for member in members(tar.read, name=name):
        entry = member.entry
        if entry.type == FILE and not entry.is_whiteout:
            hasher = hashlib.sha256()
            for data in member.content:
                hasher.update(data)
            entry = entry._replace(digest=hasher.hexdigest())
        yield entry

"""A layer that somebody else made -> one of the store: its tar as it is, and its table of contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import BinaryIO

from hermes.digest import Digest
from hermes.errors import LayerError
from hermes.layer import encodings, toc
from hermes.layer.compress import Decompressed
from hermes.layer.entry import FILE, Entry
from hermes.layer.tar_reader import members
from hermes.layer.toc import TableOfContents
from hermes.store import BlobWriter, Store
from hermes.store.faults import storing


def ingest(store: Store, file: BinaryIO, diff_id: Digest, *, name: str) -> None:
    """Take a layer, compressed or not, into the store, unless it is there.

    Raises `LayerError`, naming the archive ``name``, when it is not what ``diff_id`` says or no layer at all.
    """
    if encodings.available(store, diff_id):
        return
    with storing("the store"), store.blobs.writer() as blob:
        tar = _Copied(Decompressed(file, name=name), blob)
        entries = [_entry(member.entry, member.content) for member in members(tar.read, name=name)]
        tar.drain()
        if blob.digest != diff_id:
            raise LayerError(
                f"{name}: its layer has the diff_id {blob.digest}, and the image's configuration says {diff_id}",
                hint="the image is damaged, or lies; get it again",
            )
        blob.commit()
        toc.save(store, TableOfContents(diff_id, blob.size, entries))


class _Copied:
    """What is read, copied to a blob on the way."""

    def __init__(self, source: Decompressed, blob: BlobWriter) -> None:
        self._source = source
        self._blob = blob

    def read(self, count: int) -> bytes:
        data = self._source.read(count)
        self._blob.write(data)
        return data

    def drain(self) -> None:
        while self.read(1 << 20):
            pass


def _entry(entry: Entry, content: Iterable[bytes]) -> Entry:
    if entry.type != FILE or entry.is_whiteout:
        return entry
    hasher = hashlib.sha256()
    for data in content:
        hasher.update(data)
    return entry._replace(digest=hasher.hexdigest())

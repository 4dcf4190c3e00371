"""A layer that somebody else made -> one of the store: its blob as it is, and its table of contents.

The blob is read once: its digest, the diff_id of the tar in it and the table of contents come of the same pass, and
nothing is kept unless all of them are right. A layer that is imported lazily is only recorded, and is read when
something has to see what is in it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple

from hermes.digest import CHUNK, Digest
from hermes.errors import LayerError, MissingBlobError
from hermes.layer import encodings, toc
from hermes.layer.decompress import Decompressed, Source
from hermes.layer.encodings import FORMS, Foreign
from hermes.layer.entry import FILE, Entry
from hermes.layer.left import Left
from hermes.layer.tar_reader import members
from hermes.layer.toc import TableOfContents
from hermes.store import BlobWriter, Store
from hermes.store.io_errors import storing
from hermes.store.scratch import Scratch

_AGAIN = "pull the image again, or have it made again"


class LayerBlob(NamedTuple):
    """What an image says of a layer: its blob, and the diff_id of the tar that is in it.

    ``size`` is that of the blob in bytes; ``urls`` are where it can be downloaded besides registries.
    """

    digest: Digest
    size: int
    diff_id: Digest
    media_type: str
    urls: tuple[str, ...] = ()


def is_imported(store: Store, blob: LayerBlob) -> bool:
    """Tell whether a layer was imported from this very blob, which is still there."""
    known = encodings.find_blob(store, blob.diff_id, blob.digest)
    return known is not None and known.size == blob.size and encodings.available(store, blob.diff_id)


def import_layer(
    store: Store,
    blob: LayerBlob,
    open_blob: Callable[[], AbstractContextManager[Source]],
    *,
    name: str,
    lazily: bool = False,
    checked: Callable[[Collection[Entry]], Collection[Entry]] = lambda entries: entries,
) -> None:
    """Import a layer into the store, unless it is there.

    ``open_blob`` gives the blob where the store does not have it. ``lazily`` only records which blob holds the layer,
    for `import_recorded`. ``checked`` is given the entries of the tar, and returns those of the table of contents. Raises `LayerError`, naming the layer ``name``, when it is not what ``blob`` says or not a
    layer at all.
    """
    if lazily:
        if not encodings.available(store, blob.diff_id):
            record = Foreign(blob.digest, blob.size, blob.media_type, blob.urls)
            encodings.record_foreign(store, blob.diff_id, record)
        return
    if is_imported(store, blob):
        return
    if store.blobs.has(blob.digest, blob.size):
        with store.blobs.open(blob.digest) as here:
            found = _contents(here, name, store.scratch)
        _check(found, blob, name)
    else:
        with open_blob() as file, storing("the store"), store.blobs.writer() as writer:
            source = _Copied(file, writer, blob, name)
            found = _contents(source, name, store.scratch)
            source.finish()
            _check(found, blob, name)
            writer.commit()
    toc.save(store, TableOfContents(blob.diff_id, found.size, checked(found.entries)))
    if found.form:
        encodings.record_blob(store, blob.diff_id, blob.digest, blob.size, found.form)


def import_recorded(store: Store, diff_id: Digest) -> None:
    """Import a layer that was imported lazily, and whose blob is in the store by now.

    Raises `LayerError` when it is not what ``diff_id`` says, whose record is then removed, and `MissingBlobError` when
    there is no such record or blob.
    """
    if encodings.available(store, diff_id):
        return
    known = encodings.find_foreign(store, diff_id)
    if known is None or not store.blobs.has(known.digest, known.size):
        raise _lacking(diff_id)
    blob = LayerBlob(known.digest, known.size, diff_id, known.media_type, known.urls)

    def lost() -> AbstractContextManager[Source]:
        raise _lacking(diff_id)

    try:
        import_layer(store, blob, lost, name=f"layer {known.digest.short}")
    except LayerError:
        encodings.forget_foreign(store, diff_id)
        raise


def restore(store: Store, diff_id: Digest) -> bool:
    """Make the table of contents of a layer again that is lost, from a blob; tell whether the layer has one now."""
    if os.path.exists(store.toc_path(diff_id)):
        return True
    if encodings.find_any(store, diff_id) is None:
        return False
    name = f"layer {diff_id.short}"
    with encodings.open_tar(store, diff_id) as tar:
        found = _contents(tar, name, store.scratch)
    if found.diff_id != diff_id:
        return False
    toc.save(store, TableOfContents(diff_id, found.size, found.entries))
    return True


def _lacking(diff_id: Digest) -> MissingBlobError:
    return MissingBlobError(f"the store has no blob of layer {diff_id}", digest=diff_id)


class Contents(NamedTuple):
    """What is in a blob: a tar in a form of `hermes.layer.write.Encoding`, with a size in bytes and entries."""

    form: str
    diff_id: Digest
    size: int
    entries: Collection[Entry]


def _contents(file: Source, name: str, scratch: Scratch) -> Contents:
    """Read a blob; raises `LayerError`, naming the layer ``name``, when it is not a layer of an image."""
    tar = _Hashed(Decompressed(file, name=name))
    if tar.form and tar.form not in FORMS:
        raise LayerError(
            f"{name}: is compressed with {tar.form}, which a layer of an image cannot be",
            hint=f"compress it with {' or '.join(FORMS)}",
        )
    entries = _entries(tar, name, scratch)
    return Contents(tar.form, tar.digest, tar.size, entries)


def _check(found: Contents, blob: LayerBlob, name: str) -> None:
    """Raise `LayerError` when a blob holds another tar than is said of it."""
    if found.diff_id != blob.diff_id:
        raise LayerError(
            f"{name}: its content has diff_id {found.diff_id}, and the image's configuration says {blob.diff_id}",
            hint=_AGAIN,
        )


class _Copied:
    """A blob that is read, copied into the store and checked on the way."""

    def __init__(self, file: Source, writer: BlobWriter, blob: LayerBlob, name: str) -> None:
        self._file = file
        self._writer = writer
        self._blob = blob
        self._name = name

    def read(self, count: int) -> bytes:
        data = self._file.read(count)
        self._writer.write(data)
        if self._writer.size > self._blob.size:
            raise self._error(f"is longer than the {self._blob.size} bytes that the manifest says")
        return data

    def finish(self) -> None:
        """Read the rest; raises `LayerError` when this was not the blob."""
        while self.read(CHUNK):
            pass
        if self._writer.size != self._blob.size:
            raise self._error(f"has {self._writer.size} bytes, and the manifest says {self._blob.size}")
        if self._writer.digest != self._blob.digest:
            raise self._error(
                f"content does not match its digest {self._blob.digest}, it has {self._writer.digest}"
            )

    def _error(self, problem: str) -> LayerError:
        return LayerError(f"{self._name}: {problem}", hint=_AGAIN)


class _Hashed:
    """A tar that is read, hashed and measured on the way."""

    def __init__(self, source: Decompressed) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.form = source.form
        self.size = 0

    def read(self, count: int) -> bytes:
        data = self._source.read(count)
        self._hash.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> Digest:
        return Digest.from_hex(self._hash.hexdigest())


def _entries(tar: _Hashed, name: str, scratch: Scratch) -> Collection[Entry]:
    """Return what is in a tar, which is read to its end, as it is once the tar is unpacked.

    A hard link leads to its file, also where the archive has it lead to another hard link. Raises `LayerError` for a
    layer that cannot be unpacked.
    """
    found = Left(name, scratch)
    for member in members(tar.read, name=name, unpadded=True):
        found.add(_with_digest(member.entry, member.content))
    while tar.read(CHUNK):
        pass
    return found.entries()


def _with_digest(entry: Entry, content: Iterable[bytes]) -> Entry:
    if entry.type != FILE or entry.is_whiteout:
        return entry
    hasher = hashlib.sha256()
    for data in content:
        hasher.update(data)
    return entry._replace(digest=hasher.hexdigest())

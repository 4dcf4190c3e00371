"""Entries and their content -> a canonical layer, in one pass.

The tar is hashed, and compressed or stored, while it is made. A layer that fits into one chunk is done in
the calling thread; a larger one feeds a thread for each consumer (hashing, compressing and writing let go of
the interpreter).
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

from hermes.digest import CHUNK, Digest
from hermes.errors import LayerError
from hermes.layer.compress import Codec, Encoding
from hermes.layer.content import Content
from hermes.layer.entry import FILE, Entry
from hermes.layer.rows import Collected
from hermes.layer.tar_writer import END, header, padding
from hermes.layer.toc import TableOfContents
from hermes.store import BlobStore, BlobWriter
from hermes.store.io_errors import storing
from hermes.store.scratch import Scratch

_QUEUED: Final = 4

Item = tuple[Entry, Content | None]


@dataclass(frozen=True, slots=True)
class WrittenLayer:
    """What `write_layer` made: the table of contents, and the blob if one was asked for."""

    toc: TableOfContents
    encoding: Encoding | None


def write_layer(
    items: Iterable[Item],
    *,
    blobs: BlobStore | None,
    codec: Codec | None = None,
    scratch: Scratch | None = None,
) -> WrittenLayer:
    """Write ``items``, which are in canonical order, as a layer.

    With ``blobs`` the tar is stored there, compressed with ``codec`` if that is given; without, the tar is
    only hashed. Digests missing in the entries are filled in. A large table of contents is in a file of ``scratch``, if
    that is given. Raises `LayerError` when two items have one path or are out of order.
    """
    tar = _TarHash()
    found = Collected(scratch)
    if blobs is None:
        with _Pipeline([tar.write]) as pipeline:
            _write(items, pipeline, found)
        return WrittenLayer(TableOfContents(tar.digest, pipeline.size, found.entries()), None)
    with storing("the store"), blobs.writer() as blob:
        size = _write_blob(items, blob, tar, codec, found)
        digest = blob.commit()
    table = TableOfContents(tar.digest if codec else digest, size, found.entries())
    return WrittenLayer(table, Encoding(digest, blob.size, codec))


def compress(tar: Iterable[bytes], blobs: BlobStore, codec: Codec) -> Encoding:
    """Compress a layer's tar into a blob."""
    with storing("the store"), blobs.writer() as blob:
        encoder = codec.encoder(blob.write)
        for data in tar:
            encoder.write(data)
        encoder.finish()
        return Encoding(blob.commit(), blob.size, codec)


def _write_blob(
    items: Iterable[Item], blob: BlobWriter, tar: _TarHash, codec: Codec | None, found: Collected
) -> int:
    """Write the items into a blob, and add their entries to ``found``; return the size of the tar."""
    if codec is None:
        with _Pipeline([blob.write]) as pipeline:
            _write(items, pipeline, found)
        return pipeline.size
    encoder = codec.encoder(blob.write)
    with _Pipeline([tar.write, encoder.write]) as pipeline:
        _write(items, pipeline, found)
    encoder.finish()
    return pipeline.size


class _TarHash:
    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.write = self._hash.update

    @property
    def digest(self) -> Digest:
        return Digest.from_hex(self._hash.hexdigest())


def _write(items: Iterable[Item], pipeline: _Pipeline, found: Collected) -> None:
    last: bytes | None = None
    for given, content in items:
        entry = given
        key = entry.sort_key
        if last is not None and key <= last:
            raise LayerError(f"{entry.path}: a path comes twice in one layer, or out of order")
        last = key
        pipeline.write(header(entry))
        if entry.type == FILE:
            if entry.size and content is not None:
                entry = _write_content(entry, content, pipeline)
            elif not entry.digest:
                entry = entry._replace(digest=_EMPTY_SHA256)
        found.add(entry)
    pipeline.write(END)
    pipeline.flush()


def _write_content(entry: Entry, content: Content, pipeline: _Pipeline) -> Entry:
    hasher = None if entry.digest else hashlib.sha256()
    size = 0
    for data in content.chunks():
        size += len(data)
        if hasher is not None:
            hasher.update(data)
        pipeline.write(data)
    if size != entry.size:
        raise LayerError(f"{entry.path}: has {size} bytes, not {entry.size}")
    if size % 512:
        pipeline.write(padding(size))
    return entry if hasher is None else entry._replace(digest=hasher.hexdigest())


_EMPTY_SHA256: Final = hashlib.sha256().hexdigest()


class _Pipeline:
    """Gathers small writes into chunks and gives each chunk to every consumer, in order.

    The first chunk is handed over in the calling thread; when there is a second one, each consumer gets a
    thread of its own. An exception in a consumer is raised again in the caller.
    """

    def __init__(self, consumers: list[Callable[[bytes], object]]) -> None:
        self._consumers = consumers
        self._threads: list[_Consumer] = []
        self._parts: list[bytes] = []
        self._gathered = 0
        self._chunks = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        self._parts.append(data)
        self._gathered += len(data)
        if self._gathered >= CHUNK:
            self.flush()

    def flush(self) -> None:
        if not self._gathered:
            return
        chunk = b"".join(self._parts)
        self.size += len(chunk)
        self._parts.clear()
        self._gathered = 0
        self._chunks += 1
        if self._chunks == 2:
            self._threads = [_Consumer(consume) for consume in self._consumers]
        if self._threads:
            for thread in self._threads:
                thread.put(chunk)
        else:
            for consume in self._consumers:
                consume(chunk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        errors = [error for thread in self._threads if (error := thread.join()) is not None]
        if errors and kind is None:
            raise errors[0]


class _Consumer:
    """A thread that feeds one consumer from a short queue."""

    def __init__(self, consume: Callable[[bytes], object]) -> None:
        self._consume = consume
        self._queue: queue.Queue[bytes | None] = queue.Queue(_QUEUED)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, chunk: bytes) -> None:
        if self._error is not None:
            raise self._error
        self._queue.put(chunk)

    def join(self) -> BaseException | None:
        self._queue.put(None)
        self._thread.join()
        return self._error

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._consume(chunk)
                except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
                    self._error = error

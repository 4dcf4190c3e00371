"""Tables of contents: what is in a layer, without its bytes.

On disk a table is JSON: ``{"check", "version", "diff_id", "size", "count", "entries"}``. ``check`` is the sha256 in
hexadecimal of all bytes of the file that come after its comma, ``count`` the number of entries, and ``entries`` are rows
in lines of their own; see `hermes.layer.rows`. Tables of earlier versions have no ``count`` and are one line, and the
first had no ``check``. The entries of a large table stay on the disk and are read whenever they are needed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from hermes.digest import Digest
from hermes.errors import HermesError, MissingBlobError, StoreError
from hermes.layer.entry import Entry
from hermes.layer.rows import Rows, chunks_of, entry_of_row, pieces
from hermes.store import Store
from hermes.store.regular import regular
from hermes.store.removal import remove_tree

_VERSION: Final = 1
_CHECK: Final = b'{"check":"%s",'
_BODY: Final = len(_CHECK % (b"0" * 64))
_ENTRIES: Final = b',"entries":[\n'
_END: Final = b"\n]}"
_LONGEST_HEAD: Final = 1 << 10
"""Bytes of a table's first line, which says all but the entries, are fewer."""
_LARGE: Final = 2 << 20
"""Bytes from which on a table is not read into memory."""
DAMAGES: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    IsADirectoryError,
    HermesError,
)
"""What comes of reading a table that was damaged."""


@dataclass(frozen=True, slots=True)
class TableOfContents:
    """The entries of one layer in their order, its diff_id, and the size of its tar in bytes."""

    diff_id: Digest
    size: int
    entries: Collection[Entry]

    def dump(self) -> bytes:
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Yield the table as it is on disk, in pieces."""
        document = {
            "version": _VERSION,
            "diff_id": self.diff_id,
            "size": self.size,
            "count": len(self.entries),
        }
        start = json.dumps(document, separators=(",", ":"))[1:-1].encode() + _ENTRIES
        chunks = chunks_of(self.entries)
        hasher = hashlib.sha256(start)
        for data in chunks:
            hasher.update(data)
        hasher.update(_END)
        yield _CHECK % hasher.hexdigest().encode() + start
        yield from chunks
        yield _END

    @classmethod
    def load(cls, data: bytes) -> TableOfContents:
        """Return what was dumped; raises `ValueError`, or what comes of damage, when ``data`` is not that."""
        if data.startswith(_CHECK[:10]):
            body = memoryview(data)[_BODY:]
            if data[:_BODY] != _CHECK % hashlib.sha256(body).hexdigest().encode():
                raise ValueError("its check does not match")
        document = _checked(json.loads(data))
        entries = [entry_of_row(row) for row in document["entries"]]
        return cls(Digest.parse(document["diff_id"]), document["size"], entries)


def save(store: Store, toc: TableOfContents) -> None:
    """Put a table of contents into the store."""
    store.write_pieces(store.toc_path(toc.diff_id), toc.pieces())


def load(store: Store, diff_id: Digest) -> TableOfContents:
    """Return the table of contents of a layer.

    Raises `StoreError` when it is not there, and `MissingBlobError` for a damaged one, which is removed: the layer is then
    made again, or its table from a blob (`hermes.layer.importing.restore`).
    """
    path = store.toc_path(diff_id)
    try:
        return _opened(path)
    except FileNotFoundError:
        raise StoreError(f"the store has no table of contents of layer {diff_id}") from None
    except DAMAGES as error:
        remove_tree(path)
        raise MissingBlobError(
            f"the table of contents of layer {diff_id} was damaged",
            digest=diff_id,
            hint="run the command again, or pull the image again",
        ) from error


def size_of(store: Store, diff_id: Digest) -> int:
    """Return the size of a layer's tar in bytes; raises as `load` does."""
    try:
        with open(store.toc_path(diff_id), "rb", opener=regular) as file:
            first = file.readline(_LONGEST_HEAD)
        if first.endswith(_ENTRIES):
            return int(json.loads(first + _END)["size"])
    except (OSError, *DAMAGES):
        pass
    return load(store, diff_id).size


def _opened(path: str) -> TableOfContents:
    """Return the table in a file; raises as `TableOfContents.load` does."""
    fd = regular(path, os.O_RDONLY)
    try:
        size = os.fstat(fd).st_size
        start = os.pread(fd, _LARGE, 0)
        first = start[: start.find(b"\n") + 1]
        if size <= _LARGE or not first.endswith(_ENTRIES):  # small, or of an earlier version
            return TableOfContents.load(b"".join(pieces(fd, 0, size)))
        check = hashlib.sha256()
        for data in pieces(fd, _BODY, size):
            check.update(data)
        if first[:_BODY] != _CHECK % check.hexdigest().encode():
            raise ValueError("its check does not match")
        document = _checked(json.loads(first + _END))
        entries = Rows(os.dup(fd), len(first), size - len(_END), document["count"])
    finally:
        os.close(fd)
    return TableOfContents(Digest.parse(document["diff_id"]), document["size"], entries)


def _checked(document: Any) -> Any:
    """Return the JSON of a table; raises `ValueError` for one of another version."""
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']}")
    return document

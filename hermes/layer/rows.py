"""The entries of a layer as rows of JSON, so that a layer of a million entries need not be in memory.

An entry is the list ``[path, type, mode, uid, gid, size, sha256, link]``, followed by ``{"xattrs": {name: base64},
"device": [major, minor], "mtime": seconds, "passed": true}`` with those that are not empty. A line holds some hundred
rows, and all lines but the last end with a comma.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from hermes.digest import CHUNK
from hermes.layer.entry import Entry
from hermes.store.blobs import write_all
from hermes.store.scratch import Scratch

_PER_LINE: Final = 256
_MOST_IN_MEMORY: Final = 8192
_MOST_XATTRS: Final = 1 << 20
"""Bytes of extended attributes after which entries are written, however few they are."""


class Rows(Collection[Entry]):
    """``count`` entries in an open file between two offsets in bytes, read again whenever they are iterated over.

    The file ``fd`` belongs to this object. Iterating raises `ValueError`, or what else comes of damage, when the file was
    changed.
    """

    def __init__(self, fd: int, start: int, end: int, count: int) -> None:
        self._fd = fd
        self._start = start
        self._end = end
        self._count = count

    def __del__(self) -> None:
        os.close(self._fd)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, entry: object) -> bool:
        return any(one == entry for one in self)

    def __iter__(self) -> Iterator[Entry]:
        begun = b""
        for data in self.chunks():
            *lines, begun = (begun + data).split(b"\n")
            for line in lines:
                yield from map(entry_of_row, json.loads(b"[%s]" % line.removesuffix(b",")))
        yield from map(entry_of_row, json.loads(b"[%s]" % begun))

    def chunks(self) -> Iterator[bytes]:
        """Yield the lines as they are in the file, in pieces."""
        return pieces(self._fd, self._start, self._end)


class _Chunks:
    """The lines of `Rows`, to be iterated over more than once."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[bytes]:
        return self._rows.chunks()


class Collected:
    """Entries that become known one after the other: in memory while they are few, else in a temporary file of ``scratch``."""

    def __init__(self, scratch: Scratch | None) -> None:
        self._scratch = scratch
        self._held: list[Entry] = []
        self._xattrs = 0
        self._fd = -1
        self._size = 0
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._held)

    def add(self, entry: Entry) -> None:
        self._held.append(entry)
        if entry.xattrs:
            self._xattrs += sum(len(value) for _, value in entry.xattrs)
        if len(self._held) >= _MOST_IN_MEMORY or self._xattrs >= _MOST_XATTRS:
            self._write()

    def entries(self) -> Collection[Entry]:
        """Return all that was added; nothing can be added later."""
        if not self._written:
            return self._held
        self._write()
        fd, self._fd = self._fd, -1
        return Rows(fd, 0, self._size, self._written)

    def _write(self) -> None:
        if self._scratch is None or not self._held:
            return
        if self._fd < 0:
            self._fd = self._scratch.unnamed()
        data = b",\n" if self._size else b""
        data += b",\n".join(_lines(self._held))
        write_all(self._fd, data)
        self._size += len(data)
        self._written += len(self._held)
        self._held.clear()
        self._xattrs = 0

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def pieces(fd: int, start: int, end: int) -> Iterator[bytes]:
    """Yield what a file has between two offsets; raises `ValueError` where it ends before."""
    while start < end:
        data = os.pread(fd, min(CHUNK, end - start), start)
        if not data:
            raise ValueError("a table of contents was cut short while it was being read")
        start += len(data)
        yield data


def chunks_of(entries: Iterable[Entry]) -> Iterable[bytes]:
    """Return the lines of entries in pieces, which can be iterated over more than once."""
    if isinstance(entries, Rows):
        return _Chunks(entries)
    return [b",\n".join(_lines(entries))]


def _lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    encode = json.JSONEncoder(separators=(",", ":")).encode
    left = iter(entries)
    while some := list(itertools.islice(left, _PER_LINE)):
        yield encode([row_of_entry(entry) for entry in some])[1:-1].encode()


def row_of_entry(entry: Entry) -> list[Any]:
    """Return an entry as a table has it."""
    row: list[Any] = list(entry[:8])
    more: dict[str, Any] = {}
    if entry.xattrs:
        more["xattrs"] = {name: base64.b64encode(value).decode() for name, value in entry.xattrs}
    if entry.device != (0, 0):
        more["device"] = entry.device
    if entry.mtime:
        more["mtime"] = entry.mtime
    if entry.passed:
        more["passed"] = True
    if more:
        row.append(more)
    return row


def entry_of_row(row: list[Any]) -> Entry:
    """Return the entry that a row of a table is."""
    if len(row) == 8:
        return Entry(*row)
    more = row.pop()
    path, kind, mode, uid, gid, size, digest, link = row
    xattrs = tuple((name, base64.b64decode(value)) for name, value in more.get("xattrs", {}).items())
    major, minor = more.get("device", (0, 0))
    return Entry(
        path,
        kind,
        mode,
        uid,
        gid,
        size,
        digest,
        link,
        xattrs,
        (major, minor),
        more.get("mtime", 0),
        more.get("passed", False),
    )

"""Where the bytes of a layer's files come from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from hermes.digest import CHUNK
from hermes.errors import SourceError
from hermes.store.blobs import write_all

_HELD: Final = 1 << 16
_WINDOW: Final = 1 << 14

Signature = tuple[int, int, int, int]
"""Identifies the state of a file that was hashed: mtime and ctime in ns, size, inode."""


class Content(Protocol):
    """The bytes of one file, as many as its entry says."""

    def chunks(self) -> Iterable[bytes]:
        """Give the bytes in pieces, from the start each time."""
        ...


@dataclass(frozen=True, slots=True)
class BytesContent:
    data: bytes

    def chunks(self) -> Iterable[bytes]:
        return (self.data,)


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file on disk of ``size`` bytes.

    With a ``signature``, reading raises `SourceError` unless the file is the one that had it, so a digest
    taken earlier holds for what is read now.
    """

    path: str
    size: int
    signature: Signature | None = None

    def chunks(self) -> Iterable[bytes]:
        fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            data = os.read(fd, min(self.size + 1, CHUNK))
            if len(data) == self.size:
                self._check(fd)
                return (data,)
            rest = _Rest(self, data, fd)
            fd = -1
            return rest
        finally:
            if fd >= 0:
                os.close(fd)

    def _check(self, fd: int) -> None:
        if self.signature is not None and signature(os.fstat(fd)) != self.signature:
            raise changed(self.path)


class _Rest:
    """The pieces of a file that did not come with the first read."""

    def __init__(self, content: FileContent, first: bytes, fd: int) -> None:
        self._content = content
        self._first = first
        self._fd = fd

    def __iter__(self) -> Iterator[bytes]:
        content, left = self._content, self._content.size
        try:
            data = self._first
            while data and left:
                left -= len(data)
                yield data
                data = os.read(self._fd, min(left, CHUNK)) if left else b""
            if left or os.read(self._fd, 1):
                raise changed(content.path)
            content._check(self._fd)  # noqa: SLF001 - one concept in two classes
        finally:
            os.close(self._fd)


class Spool:
    """The bytes of many files in a temporary file, written and read in larger pieces. For one thread at a time.

    The file ``fd`` belongs to this object.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._held: list[bytes] = []
        self._written = 0
        self._size = 0
        self._window = b""
        self._window_start = 0

    def add(self, pieces: Iterable[bytes], size: int) -> RegionContent | None:
        """Append ``pieces``, ``size`` bytes in all, and return them from here."""
        if not size:
            return None
        offset = self._size
        for data in pieces:
            self._held.append(data)
            self._size += len(data)
            if self._size - self._written >= _HELD:
                self._flush()
        return RegionContent(self, offset, size)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from an offset, and nothing only at the end."""
        if self._held:
            self._flush()
        start = offset - self._window_start
        if 0 <= start < len(self._window):
            return self._window[start : start + size]
        if size >= _WINDOW:
            return os.pread(self._fd, size, offset)
        self._window = os.pread(self._fd, _WINDOW, offset)
        self._window_start = offset
        return self._window[:size]

    def close(self) -> None:
        os.close(self._fd)

    def _flush(self) -> None:
        write_all(self._fd, b"".join(self._held))
        self._held.clear()
        self._written = self._size
        self._window = b""


@dataclass(frozen=True, slots=True)
class RegionContent:
    """Part of a spool."""

    spool: Spool
    offset: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        position, end = self.offset, self.offset + self.size
        while position < end:
            data = self.spool.read(position, min(CHUNK, end - position))
            if not data:
                raise SourceError("a temporary file was cut short while it was being read")
            position += len(data)
            yield data


def signature(status: os.stat_result) -> Signature:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def changed(path: str) -> SourceError:
    return SourceError(f"{path} changed while it was being read", hint="run the build again")

"""Tar archives of blobs and documents, for the transports that write one file."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from hermes.digest import CHUNK, Digest
from hermes.errors import BuildError
from hermes.layer import encodings, toc
from hermes.store import Store
from hermes.store.atomic_replace import beside
from hermes.transports.transport import STANDARD

_MOST_PLAIN: Final = (8 << 30) - 1
"""The largest size that a header of a tar archive can say without an extended one."""


_MOST_LINKS: Final = 40


class ArchiveWriter:
    """A tar archive whose headers depend on names and sizes alone."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def folder(self, path: str) -> None:
        info = tarfile.TarInfo(path)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        self._archive.addfile(info)

    def file(self, path: str, data: bytes) -> None:
        self._add(path, len(data), iter((data,)))

    def blob(self, path: str, store: Store, digest: Digest) -> None:
        with store.blobs.open(digest) as file:
            size = os.fstat(file.fileno()).st_size
        self._add(path, size, store.blobs.chunks(digest))

    def layer(self, path: str, store: Store, diff_id: Digest) -> None:
        """Add a layer's tar, uncompressed."""
        with encodings.open_tar(store, diff_id) as tar:
            self._add(path, toc.load(store, diff_id).size, tar.chunks())

    def _add(self, path: str, size: int, pieces: Iterator[bytes]) -> None:
        info = tarfile.TarInfo(path)
        info.size, info.mode = size, 0o644
        self._archive.format = tarfile.PAX_FORMAT if size > _MOST_PLAIN else tarfile.USTAR_FORMAT
        self._archive.addfile(info, _Pieces(pieces))  # type: ignore[arg-type]
        for _ in pieces:
            raise BuildError(f"{path} is longer than the {size} bytes that were noted")


class _Pieces:
    """The reading side of a file, made of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, count: int) -> bytes:
        parts = [self._rest[:count]]
        self._rest = self._rest[count:]
        have = len(parts[0])
        while have < count and (data := next(self._pieces, b"")):
            parts.append(data[: count - have])
            self._rest = data[count - have :]
            have += len(parts[-1])
        return b"".join(parts)


@contextmanager
def written_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Give an archive that is written as `written_file` says."""
    with written_file(path) as file, _archive(file) as archive:
        yield archive


@contextmanager
def written_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of ``path`` once it is whole; where that is a link, of what it leads to.

    What is not a regular file, such as a FIFO or a device, is written to, and so is standard output (`STANDARD`).
    Raises `BuildError` for a folder and a terminal.
    """
    place, is_stream = (path, True) if path == STANDARD else _place(path)
    if is_stream:
        with _opened_stream(place) as stream:
            yield stream
        return
    if place.is_dir():
        raise BuildError(f"{path} is a folder", hint="name a file")
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(place)
    try:
        with open(temporary, "wb") as file:
            yield file
        temporary.rename(place)
    finally:
        temporary.unlink(missing_ok=True)


def _place(path: Path) -> tuple[Path, bool]:
    """Return where links lead that are at ``path``, and whether that is to be written to as it is.

    A link below /proc, where /dev/stdout leads, is an open file of a process and not a path.
    """
    for _ in range(_MOST_LINKS):
        is_ours = not os.path.realpath(path.parent).startswith("/proc/")
        if not is_ours or not path.is_symlink():
            break
        path = path.parent / path.readlink()
    else:
        raise BuildError(f"{path}: too many symbolic links", hint="name a file")
    if not is_ours:
        return path, True
    return path, path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def _opened_stream(path: Path) -> Iterator[BinaryIO]:
    if path == STANDARD:
        if os.isatty(1):
            raise BuildError(
                "standard output is a terminal, and no place for an archive",
                hint="redirect it, or name a file",
            )
        with open(1, "wb", closefd=False) as stream:
            yield cast("BinaryIO", _Counted(stream))
        return
    with open(os.open(path, os.O_WRONLY | os.O_CLOEXEC), "wb") as stream:
        yield cast("BinaryIO", _Counted(stream))


class _Counted(io.RawIOBase):
    """A stream that knows how much was written to it, as archives must."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._count = 0

    def write(self, data: Any, /) -> int:
        self._stream.write(data)
        self._count += len(data)
        return len(data)

    def tell(self) -> int:
        return self._count


@contextmanager
def _archive(file: Any) -> Iterator[ArchiveWriter]:
    how: Any = {"format": tarfile.USTAR_FORMAT, "copybufsize": CHUNK}
    with tarfile.TarFile(fileobj=file, mode="w", **how) as archive:
        yield ArchiveWriter(archive)

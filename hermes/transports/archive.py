"""Tar archives of blobs and documents, for the transports that write one file."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hermes.digest import CHUNK, Digest
from hermes.errors import BuildError
from hermes.layer import encodings, toc
from hermes.store import Store
from hermes.store.atomic_replace import beside

_MOST_PLAIN: Final = (8 << 30) - 1
"""The largest size that a header of a tar archive can say without an extended one."""


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
    """Give an archive that takes the place of ``path`` once it is whole."""
    if path.is_dir():
        raise BuildError(f"{path} is a folder", hint="name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path)
    try:
        with tarfile.TarFile(temporary, "w", format=tarfile.USTAR_FORMAT, copybufsize=CHUNK) as archive:
            yield ArchiveWriter(archive)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)

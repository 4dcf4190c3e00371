"""Files that are tar archives, compressed or not."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hermes.digest import CHUNK
from hermes.errors import LayerError
from hermes.layer.decompress import Decompressed, Source
from hermes.layer.tar_reader import Member, is_tar, members


def archive_members(file: Source, *, name: str, form: str | None = None) -> Iterator[Member]:
    """Yield the members of a tar archive, compressed or not, and read the file to its end.

    ``form`` is as for `Decompressed`. Raises `LayerError`, naming the archive ``name``, as `members` does, and where
    the compressed data is cut behind the archive's own end: it is then not known whether all before it is right.
    """
    archive = Decompressed(file, name=name, form=form)
    yield from members(archive.read, name=name)
    while archive.read(CHUNK):
        pass


def is_compressed(path: str) -> bool:
    """Tell whether a file begins as a compressed one does, whole or not."""
    with open(path, "rb") as file:
        return bool(Decompressed(file, name=path).form)


def is_archive(path: str) -> bool:
    """Tell whether a file is a tar archive, compressed or not, that ADD unpacks."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        try:
            return is_tar(Decompressed(file, name=path).read)
        except LayerError:
            return False

"""A folder whose files are in the storage of a service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from types import MappingProxyType
from typing import BinaryIO

from hermes.digest import Digest
from hermes.remote.cas import Cas
from hermes.remote.execution import FileThere
from hermes.store.scratch import Scratch


class StoredFolder:
    """`hermes.actions.packed.Folder` in a storage; its files are fetched when they are opened, or by `read_ahead`.

    ``contents`` are those that are here.
    """

    def __init__(
        self,
        cas: Cas,
        files: Mapping[str, FileThere],
        scratch: Scratch,
        contents: Mapping[Digest, bytes] = MappingProxyType({}),
    ) -> None:
        self._cas = cas
        self._files = files
        self._scratch = scratch
        self._read = dict(contents)

    def read_ahead(self, paths: Iterable[str]) -> None:
        """Fetch small files with few calls; the others are fetched one by one. Raises as `open`."""
        wanted = (self._files[path] for path in paths if path in self._files)
        self._read.update(self._cas.read_small(one for one in wanted if one.digest not in self._read))

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a file; raises `FileNotFoundError`, `hermes.remote.cas.Lost`, and as `Channel.unary`."""
        if path not in self._files:
            raise FileNotFoundError(path)
        one = self._files[path]
        data = self._read.get(one.digest)
        if data is None:
            data = self._cas.read_small((one,)).get(one.digest)
        if data is not None:
            yield BytesIO(data)
            return
        with open(self._scratch.unnamed(), "w+b") as file:
            file.writelines(self._cas.chunks(one.digest, one.size))
            file.seek(0)
            yield file

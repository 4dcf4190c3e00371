"""Folders of actions and of what they gave, in the storage of a remote service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

from hermes.actions.packed import Part, contents
from hermes.actions.tools import Tools
from hermes.remote.cas import Blob, Cas
from hermes.remote.execution import FileThere
from hermes.store.scratch import Scratch

_IN_MEMORY = 1 << 20


class StoredFolder:
    """`hermes.actions.packed.Folder` in a storage; its files are fetched when they are opened."""

    def __init__(self, cas: Cas, files: Mapping[str, FileThere], scratch: Scratch) -> None:
        self._cas = cas
        self._files = files
        self._scratch = scratch

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a file; raises `FileNotFoundError`, `hermes.remote.cas.Lost`, and as `Channel.unary`."""
        if path not in self._files:
            raise FileNotFoundError(path)
        one = self._files[path]
        with open(self._scratch.unnamed(), "w+b") as file:
            file.writelines(self._cas.chunks(one.digest, one.size))
            file.seek(0)
            yield file


def blobs_of(parts: Iterable[Part], tools: Tools) -> dict[str, Blob]:
    """Return the files of a folder as blobs to be sent, by their paths."""
    return {part.path: Blob(part.digest, part.size, partial(contents, part, tools)) for part in parts}

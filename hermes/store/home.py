"""Where the store is, what is in it, and which version of it this is.

::

    blobs/sha256/HEX     immutable, hashed while written
    trees/HEX/           an extracted layer: ``root`` (an overlay lower directory) and ``parents``
    toc/HEX              tables of contents, by diff_id; beside them which blobs hold the layer
    toc/HEX.outline      what the layer does, without what is in its files
    toc/HEX.topmost      which layer says what folders are, by what those of other layers say
    toc/HEX.foreign      a blob that is said to hold the layer, here or in a registry
    places/HEX           which repositories of registries have a blob
    remote/HEX           which remote service has a blob
    private/HEX          a blob or layer that does not leave this machine by itself
    results/             action key -> result
    compiled/            checked and compiled BUILD and .bzl files
    index/WORKSPACE/     file index and graph snapshots
    logs/                what commands printed
    caches/NAME/NUMBER/  what commands keep for each other
    outputs/HEX          the path of an output folder on another file system, with symbolic links to blobs
    containers/ID/       working containers
    locks                locks between processes
    tmp/                 what running processes are writing
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.store.blob_sources import BlobSources
from hermes.store.blobs import LocalBlobs
from hermes.store.io_errors import storing
from hermes.store.location import VERSION, default_home, is_made
from hermes.store.locks import KeyLocks
from hermes.store.private_blobs import PrivateBlobs
from hermes.store.regular import read_regular
from hermes.store.remote_blobs import RemoteBlobs
from hermes.store.scratch import Scratch

if TYPE_CHECKING:
    from hermes.store.caches import Caches
    from hermes.store.results import Results

FOREIGN: Final = ".foreign"
"""How the names of notes in ``toc`` end."""

_FOLDERS: Final = ("blobs/sha256", "trees", "toc", "compiled", "index", "logs", "caches", "containers", "tmp")
_PRIVATE: Final = ("trees", "caches", "containers", "tmp")
"""Folders with files of images, whose setuid programs other users of the machine must not reach."""

FOR_GC: Final = "waiting for `hermes cache gc`"
"""What is said when `Store.in_use` has to wait."""

_IN_USE: Final[ContextVar[frozenset[str]]] = ContextVar("in_use", default=frozenset())
"""The stores that the calling thread keeps `gc` away from, by their paths."""


class Store:
    """A store on this machine. Its parts are opened when they are first used."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.scratch = Scratch(home / "tmp")
        self.blobs = LocalBlobs(home / "blobs" / "sha256", self.scratch)
        self.locks = KeyLocks(home / "locks")
        self.blob_sources = BlobSources(home / "places", self.write)
        self.remote_blobs = RemoteBlobs(home / "remote", self.write)
        self.private_blobs = PrivateBlobs(home / "private")

    @classmethod
    def open(cls, home: Path | None = None) -> Store:
        """Open the store at ``home`` (default: `default_home`), making it if need be.

        Raises `StoreError` when it cannot be written or was made by a newer version of Hermes.
        """
        home = home or default_home()
        made = is_made(home)
        with storing(home):
            for name in _FOLDERS:
                if not os.path.isdir(f"{home}/{name}"):
                    mode = 0o700 if name in _PRIVATE else 0o777
                    (home / name).mkdir(mode, parents=True, exist_ok=True)
        store = cls(home)
        if not made:
            store.write(home / "version", f"{VERSION}\n".encode())
        return store

    @cached_property
    def caches(self) -> Caches:
        """What commands keep for each other."""
        from hermes.store import caches

        return caches.Caches(self.home / "caches", self.locks)

    @cached_property
    def results(self) -> Results:
        """The results of actions, in a database that most commands have no use for."""
        from hermes.store import results

        return results.Results(self.home / "results")

    @property
    def trees(self) -> Path:
        return self.home / "trees"

    def toc_path(self, diff_id: str) -> str:
        """The path of the table of contents of a layer."""
        return f"{self.home}/toc/{diff_id[7:]}"

    def foreign_path(self, diff_id: str) -> str:
        """The path of what is noted of a blob that is said to hold a layer."""
        return f"{self.toc_path(diff_id)}{FOREIGN}"

    def log_path(self, key: str) -> str:
        """The path of the output of an action's command."""
        return f"{self.home}/logs/{key}"

    def note_outputs(self, folder: str) -> None:
        """Note that a folder may have symbolic links to blobs, which nothing else tells of."""
        data = folder.encode("utf-8", "surrogateescape")
        path = f"{self.home}/outputs/{hashlib.sha256(data).hexdigest()}"
        if not os.path.exists(path):
            os.makedirs(f"{self.home}/outputs", exist_ok=True)
            self.write(path, data)

    def linked(self) -> Iterator[str]:
        """Yield the paths of blobs that symbolic links in noted folders lead to; forget folders that are gone."""
        blobs = os.path.realpath(self.blobs.folder)
        for note in (self.home / "outputs").glob("*"):
            noted = os.fsdecode(read_regular(note))
            if not os.path.isdir(noted):
                note.unlink()
            for folder, _, names in os.walk(noted):
                for path in (f"{folder}/{name}" for name in names):
                    if os.path.islink(path):
                        where, _, name = os.readlink(path).rpartition("/")
                        if os.path.realpath(where) == blobs:
                            yield f"{self.blobs.folder}/{name}"

    def write(self, path: str | os.PathLike[str], data: bytes) -> None:
        """Write a small file whole or not at all."""
        self.write_pieces(path, (data,))

    def write_pieces(self, path: str | os.PathLike[str], pieces: Iterable[bytes]) -> None:
        """Write a file, whose content comes in pieces, whole or not at all."""
        with storing(path):
            self.scratch.check_writable()
            temporary = self.scratch.path()
            with open(temporary, "wb") as file:
                file.writelines(pieces)
            os.replace(temporary, path)

    @contextmanager
    def in_use(self, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Keep `gc` away for as long as a build may hold anything; wait for one that waits already.

        A command may ask for it again while it has it: an inspection that has to build something, for example.
        ``waiting`` is called on each turn of a wait.
        """
        home = os.path.realpath(self.home)
        held = _IN_USE.get()
        if home in held:
            yield
            return
        with self.locks.held_in_turn("gc", shared=True, waiting=waiting):
            before = _IN_USE.set(held | {home})
            try:
                yield
            finally:
                _IN_USE.reset(before)

    def close(self) -> None:
        if "results" in vars(self):
            self.results.close()
        self.scratch.close()

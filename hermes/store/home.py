"""Where the store is, what is in it, and which version of it this is.

::

    blobs/sha256/HEX     immutable, hashed while written
    trees/HEX/           an extracted layer: ``root`` (an overlay lower directory) and ``parents``
    toc/HEX              tables of contents, by diff_id
    results/             action key -> result
    compiled/            checked and compiled BUILD and .bzl files
    index/WORKSPACE/     file index and graph snapshots
    logs/                what commands printed
    containers/ID/       working containers
    locks                locks between processes
    tmp/                 what running processes are writing
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hermes.errors import StoreError
from hermes.store.blobs import LocalBlobs
from hermes.store.faults import storing
from hermes.store.locks import KeyLocks
from hermes.store.results import Results
from hermes.store.scratch import Scratch

VERSION: Final = 1
"""The format of the store; raised when an older Hermes could not use what a newer one wrote."""

_FOLDERS: Final = ("blobs/sha256", "trees", "toc", "compiled", "index", "logs", "containers", "tmp")


class Store:
    """A store on this machine. Its parts are opened when they are first used."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.scratch = Scratch(home / "tmp")
        self.blobs = LocalBlobs(home / "blobs" / "sha256", self.scratch)
        self.results = Results(home / "results")
        self.locks = KeyLocks(home / "locks")

    @classmethod
    def open(cls, home: Path | None = None) -> Store:
        """Open the store at ``home`` (default: `default_home`), making it if need be.

        Raises `StoreError` when it cannot be written or was made by a newer version of Hermes.
        """
        home = home or default_home()
        version = _read_version(home)
        if version is None:
            with storing(home):
                for name in _FOLDERS:
                    (home / name).mkdir(parents=True, exist_ok=True)
                (home / "version").write_text(f"{VERSION}\n")
        elif version > VERSION:
            raise StoreError(
                f"the store {home} was made by a newer version of Hermes "
                f"(its format is {version}, this one knows up to {VERSION})",
                hint="upgrade Hermes, or use another store with HERMES_HOME",
            )
        elif not os.access(home / "tmp", os.W_OK | os.X_OK):
            raise StoreError(
                f"no permission to write the store {home}",
                hint="check who owns the folder, or put the store elsewhere with HERMES_HOME",
            )
        return cls(home)

    @property
    def trees(self) -> Path:
        return self.home / "trees"

    def toc_path(self, diff_id: str) -> str:
        """The path of the table of contents of a layer."""
        return f"{self.home}/toc/{diff_id[7:]}"

    def log_path(self, key: str) -> str:
        """The path of the output of an action's command."""
        return f"{self.home}/logs/{key}"

    def write(self, path: str | os.PathLike[str], data: bytes) -> None:
        """Write a small file whole or not at all."""
        with storing(path):
            temporary = self.scratch.path()
            with open(temporary, "wb") as file:
                file.write(data)
            os.replace(temporary, path)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep `gc` away for as long as a build may hold anything."""
        with self.locks.held("gc", shared=True):
            yield

    def close(self) -> None:
        self.results.close()
        self.scratch.close()


def default_home() -> Path:
    """Return ``$HERMES_HOME``, else ``$XDG_CACHE_HOME/hermes``, else ``~/.cache/hermes``."""
    if named := os.environ.get("HERMES_HOME"):
        return Path(named).absolute()
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "hermes"
    return Path("~/.cache/hermes").expanduser()


def _read_version(home: Path) -> int | None:
    try:
        return int((home / "version").read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise StoreError(
            f"{home}/version does not hold a version",
            hint="this is no store of Hermes, or a damaged one: remove it or use another HERMES_HOME",
        ) from None
    except OSError as error:
        raise StoreError(f"cannot read the store {home}: {error.strerror}") from error

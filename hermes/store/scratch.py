"""Temporary files of one process, which the next process removes if this one was killed."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hermes.errors import StoreError

_MAKING: Final = "."
_MAKING_SECONDS: Final = 60.0


class Scratch:
    """A folder below ``tmp`` that this process alone uses, locked for as long as the process lives.

    Where the store is read-only it is among the temporary files of the machine.
    """

    def __init__(self, tmp: Path) -> None:
        self._tmp = tmp
        self._folder: str | None = None
        self._fd = -1
        self._counter = itertools.count(1)
        self._guard = threading.Lock()

    @property
    def folder(self) -> str:
        """The folder's path; it is made at the first call."""
        with self._guard:
            if self._folder is None:
                self._folder = self._make()
            return self._folder

    def check_writable(self) -> None:
        """Raise `StoreError` where the store is read-only."""
        if not self.folder.startswith(f"{self._tmp}/"):
            raise StoreError(
                f"no permission to write the store {self._tmp.parent}",
                hint="check who owns the folder, or put the store elsewhere with HERMES_HOME",
            )

    def _make(self) -> str:
        name = f"{os.getpid()}-{os.urandom(4).hex()}"
        making, path = self._tmp / f"{_MAKING}{name}", self._tmp / name
        try:
            making.mkdir(mode=0o700)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES):
                raise
            import tempfile

            making = Path(tempfile.mkdtemp(prefix="hermes-"))
            path = making.with_name(f"{making.name}.d")
        self._fd = os.open(making, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        making.rename(path)
        return str(path)

    def path(self) -> str:
        """Return a path that does not exist yet."""
        return f"{self.folder}/{next(self._counter)}"

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """Give a new folder, and remove it at the end with what this user may remove."""
        path = Path(self.path())
        path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            _remove(path)

    def close(self) -> None:
        """Remove the folder and let go of it."""
        with self._guard:
            if self._folder is not None:
                _remove(self._folder)
                os.close(self._fd)
                self._folder = None


def _remove(folder: str | Path) -> None:
    """Remove a folder, which is mostly empty or gone."""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        from hermes.store.removal import remove_tree

        remove_tree(folder)


def abandoned(tmp: Path) -> list[Path]:
    """Return the folders of processes that are gone."""
    found = []
    for item in os.scandir(tmp):
        try:
            if item.name.startswith(_MAKING) and time.time() - item.stat().st_mtime < _MAKING_SECONDS:
                continue
            fd = os.open(item.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.append(Path(item.path))
        except BlockingIOError:
            pass
        finally:
            os.close(fd)
    return found

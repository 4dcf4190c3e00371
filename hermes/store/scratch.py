"""Temporary files of one process, which the next process removes if this one was killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hermes.errors import StoreError

_MAKING: Final = "."
"""Begins the names of folders that are not locked yet. Who makes one shares a lock on the folder it is in."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


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
            with _locked(self._tmp, fcntl.LOCK_SH):
                making.mkdir(mode=0o700)
                return self._named(making, path)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES):
                raise
        import tempfile

        making = Path(tempfile.mkdtemp(prefix="hermes-"))
        return self._named(making, making.with_name(f"{making.name}.d"))

    def _named(self, making: Path, path: Path) -> str:
        """Lock the folder ``making``, then give it its name."""
        self._fd = os.open(making, _FOLDER)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        making.rename(path)
        return str(path)

    def path(self) -> str:
        """Return a path that does not exist yet."""
        return f"{self.folder}/{next(self._counter)}"

    def unnamed(self) -> int:
        """Return the descriptor of a new file without a name, which is gone when it is closed."""
        path = self.path()
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.unlink(path)
        return fd

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
    try:
        with _locked(tmp, fcntl.LOCK_EX | fcntl.LOCK_NB):  # now nobody makes one
            names = os.listdir(tmp)
    except BlockingIOError:
        names = [name for name in os.listdir(tmp) if not name.startswith(_MAKING)]
    found = []
    for name in names:
        with contextlib.suppress(OSError), _locked(tmp / name, fcntl.LOCK_EX | fcntl.LOCK_NB):
            found.append(tmp / name)
    return found


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Hold a lock on a folder (see flock(2)), also not in processes that are forked meanwhile."""
    fd = os.open(folder, _FOLDER)
    try:
        fcntl.flock(fd, how)
        try:
            yield
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)

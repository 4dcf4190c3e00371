"""Locks between processes that end with the process that holds them.

A lock is one byte of one file, locked through an open file description (``F_OFD_SETLK``, fcntl(2)): no file
is made or removed per lock, threads exclude each other like processes, and a killed process lets go.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_FLOCK: Final = struct.Struct("hhqqi4x")
_FIRST_WAIT: Final = 0.002
_LONGEST_WAIT: Final = 0.05


class KeyLocks:
    """Exclusive and shared locks on names, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(
        self, name: str, *, shared: bool = False, waiting: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """Hold the lock called ``name``, waiting for its holder; raises `StoreError` where the file system has no locks.

        ``waiting`` is called on each turn of the wait, and may raise to give up.
        """
        fd = self._open(shared=shared)
        try:
            _wait(fd, name, shared, waiting)
            yield
        finally:
            os.close(fd)

    @contextmanager
    def held_in_turn(
        self, name: str, *, shared: bool = False, waiting: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """As `held`, but nobody who comes later passes one that waits for the exclusive lock.

        A thread that holds the lock must not ask for it again: it would wait for one that waits for it.
        """
        turn = f"{name}, turn"
        fd = self._open(shared=shared)
        try:
            _wait(fd, turn, shared, waiting)
            _wait(fd, name, shared, waiting)
            if shared:
                _unlock(fd, turn)
            yield
        finally:
            os.close(fd)

    @contextmanager
    def tried(self, name: str) -> Iterator[bool]:
        """Take the lock if nobody has it; gives whether it was taken."""
        fd = self._open()
        try:
            yield _try_lock(fd, name, shared=False)
        finally:
            os.close(fd)

    def _open(self, *, shared: bool = False) -> int:
        """Open the file of all locks; that of a store that is read-only is good for shared ones."""
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            if shared and error.errno in (errno.EROFS, errno.EACCES):
                with contextlib.suppress(OSError):
                    return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            from hermes.store.io_errors import store_error

            raise store_error(error, self._path) from error


def _wait(fd: int, name: str, shared: bool, waiting: Callable[[], None] | None) -> None:
    delay = _FIRST_WAIT
    while not _try_lock(fd, name, shared=shared):
        if waiting is not None:
            waiting()
        time.sleep(delay)
        delay = min(delay * 2, _LONGEST_WAIT)


def _try_lock(fd: int, name: str, *, shared: bool) -> bool:
    try:
        _set_lock(fd, name, fcntl.F_RDLCK if shared else fcntl.F_WRLCK)
    except BlockingIOError:
        return False
    return True


def _unlock(fd: int, name: str) -> None:
    _set_lock(fd, name, fcntl.F_UNLCK)


def _set_lock(fd: int, name: str, kind: int) -> None:
    offset = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 2
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, offset, 1, 0))

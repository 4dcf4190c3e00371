"""Compiling BUILD files on the other cores while one core loads them in turn.

What a file compiles to depends on its content and name alone, and the store remembers it. So these processes give
nothing back: they fill the store from the last file on, where the loading process finds what they compiled.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Final

_MISSES: Final = 32
"""How many files had to be compiled before others help: what a small workspace never reaches."""

_LEAST: Final = 200
"""How many files must be left, for which a process is worth its start."""

_MOST: Final = 7
"""How many processes help at the most."""

_POSITION: Final = 8
"""Bytes of the number that all processes share."""


def in_turn(
    names: Sequence[str], misses: Callable[[], int], compile_all: Callable[[Iterator[str]], None]
) -> Generator[str, None, None]:
    """Yield ``names``; where many of them turn out to be new, other processes call ``compile_all`` for the rest.

    ``misses`` tells how many files had to be compiled so far.
    """
    before = misses()
    helpers: _Helpers | None = None
    try:
        for number, name in enumerate(names):
            left = len(names) - number
            if helpers is not None:
                helpers.position = number
            elif left >= _LEAST and misses() - before >= _MISSES:
                helpers = _Helpers(names, number, compile_all)
            yield name
    finally:
        if helpers is not None:
            helpers.stop()


class _Helpers:
    """Processes that take ``names`` from the last on, until they meet the one that takes them from the first."""

    def __init__(
        self, names: Sequence[str], position: int, compile_all: Callable[[Iterator[str]], None]
    ) -> None:
        self._names = names
        self._shared = mmap.mmap(-1, _POSITION)
        self.position = position
        self._pids: list[int] = []
        if (
            threading.active_count() > 1
        ):  # a lock that another thread holds would never be released in the copy
            return
        count = min(len(os.sched_getaffinity(0)) - 1, _MOST)
        sys.stdout.flush()
        sys.stderr.flush()
        for number in range(count):
            with contextlib.suppress(OSError):  # no process to be had: they are compiled here
                self._pids.append(self._start(number, count, compile_all))

    @property
    def position(self) -> int:
        """How many names the loading process has begun with."""
        return int.from_bytes(self._shared[:], sys.byteorder)

    @position.setter
    def position(self, number: int) -> None:
        self._shared[:] = number.to_bytes(_POSITION, sys.byteorder)

    def stop(self) -> None:
        """Wait until each has finished the file that it is at."""
        self.position = len(self._names)
        for pid in self._pids:
            os.waitpid(pid, 0)
        self._shared.close()

    def _start(self, number: int, count: int, compile_all: Callable[[Iterator[str]], None]) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            from hermes.sandbox.syscalls import die_with_parent

            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            die_with_parent(signal.SIGKILL)
            if os.getppid() == parent:
                compile_all(self._share(number, count))
        finally:
            os._exit(0)  # nothing is told: the one that loads a file meets what is wrong with it

    def _share(self, number: int, count: int) -> Iterator[str]:
        for index in range(len(self._names) - 1 - number, -1, -count):
            if index <= self.position:
                return
            yield self._names[index]

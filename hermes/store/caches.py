"""Folders that commands keep between builds, by name. What is in them is in no key and no layer.

::

    caches/NAME/NUMBER[@FORM]/data            what is mounted
    caches/NAME/NUMBER[@FORM]/unsearched.*    a command with secrets is using it, or was when it was killed

A name has one folder of each form, number 0, unless several want it for themselves at the same time. A form says whose
the folder is: what one user left there, another may not be able to write to. BuildKit keeps them apart, too.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from hermes.errors import StoreError
from hermes.store.locks import KeyLocks

NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
UNSEARCHED: Final = "unsearched."
DATA: Final = "data"


class Sharing(StrEnum):
    """Who may use a cache at the same time: everybody, one after the other, or each a folder of its own."""

    SHARED = "shared"
    LOCKED = "locked"
    PRIVATE = "private"


class CacheFolder(NamedTuple):
    """One folder of a cache."""

    name: str
    path: str


class Caches:
    """The caches of one store."""

    def __init__(self, folder: Path, locks: KeyLocks) -> None:
        self._folder = folder
        self._locks = locks

    @contextmanager
    def used(
        self,
        name: str,
        sharing: Sharing,
        *,
        form: str = "",
        remove: Callable[[list[str]], None],
        waiting: Callable[[], None] | None = None,
    ) -> Iterator[str]:
        """Give a folder of a cache for as long as it is used.

        What a killed command with secrets was using cannot be trusted, and is emptied with ``remove`` first.
        ``waiting`` is called on each turn of a wait for others, and may raise to give up.
        """
        if not NAME.fullmatch(name):
            raise StoreError(f"{name!r} cannot be the name of a cache", hint="use letters, digits and . _ -")
        with contextlib.ExitStack() as held:
            called = _called(0, form)
            if sharing is Sharing.PRIVATE:
                called = self._free(name, form, held)
                self._tidy(self._path(name, called), remove)
            elif sharing is Sharing.LOCKED:
                held.enter_context(self._locks.held(_lock(name, called), waiting=waiting))
                self._tidy(self._path(name, called), remove)
            else:
                with self._locks.tried(_lock(name, called)) as alone:
                    if alone:
                        self._tidy(self._path(name, called), remove)
                held.enter_context(self._locks.held(_lock(name, called), shared=True, waiting=waiting))
            folder = self._path(name, called)
            os.makedirs(folder, 0o700, exist_ok=True)
            os.utime(folder)
            yield folder

    def folders(self) -> Iterator[CacheFolder]:
        """Yield every folder there is, by name."""
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(self._folder)):
                with contextlib.suppress(NotADirectoryError):
                    for called in sorted(os.listdir(self._folder / name)):
                        yield CacheFolder(name, f"{self._folder}/{name}/{called}")

    def clear(self, folder: CacheFolder, remove: Callable[[list[str]], None]) -> bool:
        """Remove a folder unless it is in use; return whether it was removed."""
        with self._locks.tried(_lock(folder.name, os.path.basename(folder.path))) as free:
            if free:
                remove([folder.path])
                with contextlib.suppress(OSError):
                    os.rmdir(self._folder / folder.name)
            return free

    def _free(self, name: str, form: str, held: contextlib.ExitStack) -> str:
        for number in itertools.count():
            called = _called(number, form)
            with contextlib.ExitStack() as tried:
                if tried.enter_context(self._locks.tried(_lock(name, called))):
                    held.push(tried.pop_all())
                    return called
        raise AssertionError

    def _path(self, name: str, called: str) -> str:
        return f"{self._folder}/{name}/{called}"

    def _tidy(self, folder: str, remove: Callable[[list[str]], None]) -> None:
        with contextlib.suppress(FileNotFoundError):
            marks = [one for one in os.listdir(folder) if one.startswith(UNSEARCHED)]
            if marks:
                remove([f"{folder}/{DATA}"])
                for one in marks:
                    os.unlink(f"{folder}/{one}")


def _called(number: int, form: str) -> str:
    return f"{number}@{form}" if form else str(number)


def _lock(name: str, called: str) -> str:
    return f"cache:{name}:{called}"

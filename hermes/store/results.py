"""Results of actions: action key -> what it gave, and the preimage of the key.

Kept in a `diskcache`, as bytes only: nothing that is read back is ever unpickled. Each value has a checksum before it,
since SQLite has none; one that does not fit, and one of an earlier Hermes, which had none, counts as not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from hermes.errors import StoreError
from hermes.store.io_errors import store_error
from hermes.store.regular import read_regular

if TYPE_CHECKING:
    import diskcache

_BUSY_SECONDS: Final = 60
_DATABASE: Final = "cache.db"
_PREIMAGE: Final = "preimage:"
_NOTE: Final = "note:"
_SEALED: Final = b"\x01"
_SUM: Final = 16


class ResultCache(Protocol):
    """Where results of actions are kept: on this machine's disk, or in a remote cache."""

    def get(self, key: str, image: bytes = b"", *, nearby: bool = False) -> bytes | None:
        """Return the result stored under an action key; ``image`` is what that was made of, where it is known.

        Who has just asked, and asks whether another process of this machine has put one meanwhile, says ``nearby``.
        """
        ...

    def put(self, key: str, result: bytes, preimage: bytes) -> None:
        """Store a result, and what its key was made of."""
        ...

    def preimage(self, key: str) -> bytes | None:
        """Return what an action key was made of."""
        ...


class Results:
    """`ResultCache` in a folder of this machine.

    A damaged database is set aside as an empty one is started; ``damaged`` then says so.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache: Any = None
        self._guard = threading.Lock()
        self.damaged = False

    def get(self, key: str, image: bytes = b"", *, nearby: bool = False) -> bytes | None:
        del image, nearby
        return self._read(key)

    def put(self, key: str, result: bytes, preimage: bytes) -> None:
        try:
            with self._open().transact(retry=True):
                for name, value in ((key, result), (f"{_PREIMAGE}{key}", preimage)):
                    self._open().set(name, _sealed(name, value), retry=True)
        except sqlite3.DatabaseError as error:
            raise _database_error(error, self._folder) from error
        except OSError as error:
            raise store_error(error, self._folder) from error

    def preimage(self, key: str) -> bytes | None:
        return self._read(f"{_PREIMAGE}{key}")

    def keep(self, wanted: Callable[[bytes], bool], explained: Container[str]) -> None:
        """Forget results that are not ``wanted``, and what keys were made of but those of results and ``explained``."""
        with contextlib.suppress(sqlite3.DatabaseError, OSError):
            cache = self._open()
            with cache.transact(retry=True):
                names = [name for name in cache.iterkeys() if isinstance(name, str)]
                results = ((name, _unsealed(name, cache.get(name))) for name in names if ":" not in name)
                kept = {name for name, value in results if value is not None and wanted(value)}
                for name in names:
                    key = name.removeprefix(_PREIMAGE)
                    if ":" not in key and key not in kept and (key == name or key not in explained):
                        cache.delete(name)

    def note(self, values: Mapping[str, bytes]) -> None:
        """Remember values under names that are not action keys."""
        with contextlib.suppress(sqlite3.DatabaseError, OSError):
            cache = self._open()
            with cache.transact(retry=True):
                for name, value in values.items():
                    cache.set(f"{_NOTE}{name}", _sealed(f"{_NOTE}{name}", value), retry=True)

    def noted(self, name: str) -> bytes | None:
        return self._read(f"{_NOTE}{name}")

    def notes(self) -> Iterator[bytes]:
        """Yield the values of all notes."""
        with contextlib.suppress(sqlite3.DatabaseError, OSError):
            cache = self._open()
            for name in cache.iterkeys():
                if (
                    isinstance(name, str)
                    and name.startswith(_NOTE)
                    and (value := self.noted(name[len(_NOTE) :]))
                ):
                    yield value

    def verify(self) -> bool:
        """Read the database and check it; tell whether it was whole. An empty one takes the place of a damaged one."""
        try:
            cache = self._open()
            is_whole = not cache.check() and not any(
                _is_damaged(name, cache.get(name)) for name in cache.iterkeys()
            )
        except sqlite3.DatabaseError:
            is_whole = False
        if not is_whole:
            self._start_again()
        return not self.damaged

    def close(self) -> None:
        with self._guard:
            if self._cache is not None:
                self._cache.close()
                self._cache = None

    def _read(self, name: str) -> bytes | None:
        try:
            value = self._open().get(name, retry=True)
        except sqlite3.DatabaseError:
            self._start_again()
            return None
        return _unsealed(name, value)

    def _open(self) -> diskcache.Cache:
        with self._guard:
            if self._cache is None:
                try:
                    self._cache = _open_cache(self._folder)
                except sqlite3.DatabaseError as error:
                    if not isinstance(error, sqlite3.OperationalError) or _has_other_than_files(self._folder):
                        self._set_aside()
                        self._cache = _open_cache(self._folder)
                    elif _is_read_only(self._folder):
                        self._cache = _ReadOnly(self._folder)
                    else:
                        raise _database_error(error, self._folder) from error
            return self._cache

    def _start_again(self) -> None:
        with self._guard:
            if self._cache is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._cache.close()
                self._cache = None
            self._set_aside()

    def _set_aside(self) -> None:
        self.damaged = True
        aside = self._folder.with_name(self._folder.name + ".damaged")
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self._folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


class _ReadOnly:
    """The part of `diskcache.Cache` that reads, for a database that nobody may write."""

    def __init__(self, folder: Path) -> None:
        from urllib.parse import quote

        where = f"file:{quote(str(folder / _DATABASE))}?mode=ro"
        self._folder = folder
        has_log = os.path.exists(folder / f"{_DATABASE}-wal")  # of a process that did not end in good order
        self._connection = sqlite3.connect(
            where if has_log else f"{where}&immutable=1", uri=True, check_same_thread=False
        )

    def get(self, name: str, *, retry: bool = False) -> object:
        del retry
        query = "SELECT value, filename FROM Cache WHERE key = ? AND raw = 1"
        row = self._connection.execute(query, (name,)).fetchone()
        if row is None or row[1] is None:
            return row and row[0]
        return read_regular(self._folder / row[1])

    def iterkeys(self) -> Iterator[str]:
        for (name,) in self._connection.execute("SELECT key FROM Cache WHERE raw = 1"):
            yield name

    def check(self) -> list[str]:
        rows = self._connection.execute("PRAGMA integrity_check").fetchall()
        return [] if rows == [("ok",)] else [str(rows)]

    def transact(self, *, retry: bool = False) -> contextlib.AbstractContextManager[None]:
        del retry
        raise sqlite3.OperationalError("attempt to write a readonly database")

    def close(self) -> None:
        self._connection.close()


def _sealed(name: str, value: bytes) -> bytes:
    return _SEALED + _checksum(name, value) + value


def _unsealed(name: str, stored: object) -> bytes | None:
    """Return the value that is stored under a name, or None if it is damaged or has no checksum."""
    if not isinstance(stored, bytes) or not stored.startswith(_SEALED):
        return None
    value = stored[1 + _SUM :]
    return value if stored[1 : 1 + _SUM] == _checksum(name, value) else None


def _is_damaged(name: object, stored: object) -> bool:
    return (
        isinstance(name, str)
        and isinstance(stored, bytes)
        and stored.startswith(_SEALED)
        and _unsealed(name, stored) is None
    )


def _checksum(name: str, value: bytes) -> bytes:
    """Return a checksum of a value and its name: a value in another's place is damage as well."""
    return hashlib.blake2b(b"%s\0%s" % (name.encode(), value), digest_size=_SUM).digest()


def _is_read_only(folder: Path) -> bool:
    return os.path.exists(folder / _DATABASE) and not os.access(folder, os.W_OK)


def _has_other_than_files(folder: Path) -> bool:
    """Tell whether the database, its log or its index is something else than a file."""
    paths = (f"{folder}/{_DATABASE}{end}" for end in ("", "-wal", "-shm"))
    return any(os.path.lexists(path) and not os.path.isfile(path) for path in paths)


def _open_cache(folder: Path) -> diskcache.Cache:
    import diskcache

    return diskcache.Cache(
        str(folder),
        timeout=_BUSY_SECONDS,
        disk=_bytes_disk(),
        eviction_policy="none",
        size_limit=1 << 62,
        cull_limit=0,
        sqlite_cache_size=1 << 10,
    )


def _bytes_disk() -> type[Any]:
    import diskcache
    from diskcache.core import MODE_PICKLE

    class BytesDisk(diskcache.Disk):  # type: ignore[misc]
        """Stores strings and bytes as they are, and refuses to unpickle what somebody else left there."""

        def store(self, value: Any, read: bool, key: Any = diskcache.UNKNOWN) -> Any:
            if not isinstance(value, bytes):
                raise TypeError(f"a result is bytes, not {type(value).__name__}")
            return super().store(value, read, key=key)

        def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
            if mode == MODE_PICKLE:
                return None
            return super().fetch(mode, filename, value, read)

    return BytesDisk


def _database_error(error: sqlite3.Error, folder: Path) -> StoreError:
    text = str(error)
    if _is_read_only(folder):
        return StoreError(
            f"no permission to write {folder}",
            hint="check who owns the folder, or put the store elsewhere with HERMES_HOME",
        )
    if "full" in text:
        hint = "free some space with `hermes cache gc`, or put the store elsewhere with HERMES_HOME"
    elif "readonly" in text or "unable to open" in text:
        hint = "check who owns the folder, or put the store elsewhere with HERMES_HOME"
    else:
        hint = "run `hermes cache verify`"
    return StoreError(f"the result cache in {folder}: {text}", hint=hint)

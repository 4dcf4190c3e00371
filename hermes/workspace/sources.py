"""Digests of the workspace's files, remembered with what tells that a file has not changed since.

On disk the index is JSON: ``{"version", "files": {path: [mtime, ctime, size, inode, kind, digest]}}``, times
in nanoseconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from hermes.digest import CHUNK, Digest
from hermes.engine.action import EXECUTABLE, FILE, LINK, Value
from hermes.errors import SourceError, StoreError
from hermes.layer.content import Signature, changed, signature
from hermes.store import Store
from hermes.store.regular import read_regular

_VERSION: Final = 1
TICK_NS: Final = 20_000_000
"""A file or folder that changed less than this before it was read may change again without its times showing it."""

_MOST_LINKS: Final = 40
"""The most symbolic links that Linux follows in one path."""


class FileRecord(NamedTuple):
    """A file as it was when it was last read."""

    mtime: int
    ctime: int
    size: int
    inode: int
    kind: str
    digest: str

    @property
    def signature(self) -> Signature:
        return self.mtime, self.ctime, self.size, self.inode

    @property
    def row(self) -> tuple[int, int, int, int, str, str]:
        """The same as plain data."""
        return self.mtime, self.ctime, self.size, self.inode, self.kind, str(self.digest)

    @property
    def value(self) -> Value:
        return Value(self.kind, Digest(self.digest), self.size)


class FileIndex:
    """Digests of files of one workspace; paths are relative to its root. Safe to use from several threads.

    ``known`` are rows of files as they were, or ``recall`` returns one; then `save` does nothing.
    """

    def __init__(
        self,
        root: Path,
        known: dict[str, FileRecord] | None = None,
        recall: Callable[[str], FileRecord | None] | None = None,
    ) -> None:
        self._root = str(root)
        self._known = {} if known is None else known
        self._recall = recall
        self._fresh: set[str] = set()
        self.used: dict[str, FileRecord] = {}
        self.changed = False

    @classmethod
    def load(cls, root: Path, path: Path) -> FileIndex:
        """Open the index that `save` wrote; one that cannot be read is empty."""
        try:
            document: dict[str, Any] = json.loads(read_regular(path))
            if document["version"] == _VERSION:
                return cls(root, {name: FileRecord(*row) for name, row in document["files"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        return cls(root)

    def save(self, store: Store, path: Path) -> None:
        """Write the index if it changed; files that are gone are left out."""
        if not self.changed or self._recall is not None:
            return
        kept = {
            name: row for name, row in self._known.items() if name not in self.used and self._exists(name)
        }
        kept.update((name, self.lasting(name)) for name in self.used)
        document = {"version": _VERSION, "files": kept}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            store.write(path, json.dumps(document, separators=(",", ":")).encode())
        except (OSError, StoreError):
            return  # without it the next build reads the files again
        self.changed = False

    def absolute(self, path: str) -> str:
        return f"{self._root}/{path}"

    def value(self, path: str) -> Value:
        """Return what a file is now, reading it if it may have changed; raises `SourceError`."""
        return self.known(path).value

    def known(self, path: str) -> FileRecord:
        """Return a file's row, reading the file if it may have changed; raises `SourceError`."""
        if found := self.used.get(path):
            return found
        full = self.absolute(path)
        try:
            status = os.lstat(full)
            found = self._known.get(path)
            if found is None and self._recall is not None:
                found = self._recall(path)
            if found is None or found.signature != signature(status):
                found = read(full, status)
                self.changed = True
                if max(found.mtime, found.ctime) > time.time_ns() - TICK_NS:
                    self._fresh.add(path)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
        self.used[path] = found
        return found

    def follow(self, path: str) -> tuple[str, ...]:
        """Take note of a file that is read where it leads: of the symbolic links on the way, and of their end.

        Return the paths of all of them.
        """
        if self.known(path).kind != LINK:
            return (path,)
        found = dict.fromkeys((path, *_trail(self._root, path)))
        for one in found:
            self.known(one)
        return tuple(found)

    def lasting(self, path: str) -> FileRecord:
        """Return a used file's row to be remembered: one that matches nothing if the file is too fresh."""
        found = self.used[path]
        return found._replace(mtime=-1) if path in self._fresh else found

    def seen(self, path: str) -> tuple[Value, str, Signature]:
        """See `hermes.engine.scheduler.Sources`; raises as `known` does."""
        found = self.known(path)
        return found.value, self.absolute(path), found.signature

    def _exists(self, path: str) -> bool:
        return os.path.lexists(self.absolute(path))


def read(path: str, status: os.stat_result) -> FileRecord:
    """Hash a file; raises `SourceError` when it is not one, or changes meanwhile."""
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        kind, digest = LINK, Digest.of(os.fsencode(os.readlink(path)))
    elif stat.S_ISREG(mode):
        kind = EXECUTABLE if mode & stat.S_IXUSR else FILE
        digest = _hash(path, status)
    else:
        raise SourceError(f"{path} is neither a file nor a symbolic link")
    return FileRecord(*signature(status), kind, digest)


def _trail(root: str, path: str) -> Iterator[str]:
    """Yield the symbolic links that a path goes through, and what is at their end, relative to the root."""
    start = here = os.path.realpath(root)
    pending = path.split("/")[::-1]
    links = 0
    while pending:
        here = os.path.normpath(os.path.join(here, pending.pop()))
        if os.path.islink(here):
            links += 1
            if links > _MOST_LINKS:
                return
            yield os.path.relpath(here, start)
            pending += os.readlink(here).split("/")[::-1]
            here = "/" if pending[-1] == "" else os.path.dirname(here)
    yield os.path.relpath(here, start)


def _hash(path: str, status: os.stat_result) -> Digest:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        data = os.read(fd, min(status.st_size + 1, CHUNK))
        if len(data) == status.st_size:
            found = hashlib.sha256(data).hexdigest()
        else:
            hasher = hashlib.sha256()
            while data:
                hasher.update(data)
                data = os.read(fd, CHUNK)
            found = hasher.hexdigest()
        if signature(os.fstat(fd)) != signature(status):
            raise changed(path)
    finally:
        os.close(fd)
    return Digest.from_hex(found)

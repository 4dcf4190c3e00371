"""Writing into a root file system from outside of it, as a process in it would, and never out of it.

Links of the root are resolved by hand (`hermes.container.inside.rootpath`). Runs in the user namespace, on a root in
which no process runs.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable
from typing import Final

from hermes.container.inside.rootpath import resolve
from hermes.errors import BuildError
from hermes.layer.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry
from hermes.store.blobs import write_all

_PARENT_MODE: Final = 0o755


class RootWriter:
    """Adds entries to a root. ``owner`` is that of the folders that had to be made on the way.

    ``called`` is what errors put before paths, where the root is a folder of another one.
    """

    def __init__(self, root: str, *, owner: tuple[int, int] = (0, 0), called: str = "") -> None:
        self._root = root
        self._called = called
        self._owner = owner
        self._folders: dict[str, str] = {}

    def add(self, entry: Entry, content: Iterable[bytes] = ()) -> None:
        """Write one entry. A directory that is there is kept, and what is in it; other things are replaced.

        Raises `BuildError` when a directory stands where something else is to be, or something else on the way.
        """
        path = entry.path
        if entry.type == DIRECTORY:
            self._settle(entry, self.folder(path))
            return
        name = posixpath.basename(path)
        if not name:
            raise BuildError("the root must be a directory")
        target = f"{self.folder(posixpath.dirname(path))}/{name}"
        self._make_room(path, target)
        if entry.type == FILE:
            self._write(entry, target, content)
            return
        if entry.type == SYMLINK:
            os.symlink(entry.link, target)
            self._folders.clear()
        elif entry.type == HARDLINK:
            os.link(resolve(self._root, entry.link, follow_last=False), target, follow_symlinks=False)
            return
        elif entry.type == FIFO:
            os.mkfifo(target)
        elif entry.type in (CHARACTER, BLOCK):
            raise BuildError(
                f"{self._called}/{path} is a device node, which the kernel lets nobody make in a user namespace",
                hint="leave it out; a runtime makes the devices that a program needs",
            )
        self._settle(entry, target)

    def below(self, path: str) -> RootWriter:
        """Return a writer for which a directory of the root, made where it is missing, is the root."""
        root = self.folder(path)
        self._folders.clear()  # what the other writes may lead elsewhere
        return RootWriter(root, owner=self._owner, called=f"{self._called}/{path}".rstrip("/"))

    def folder(self, path: str) -> str:
        """Return where a directory of the root is, making it and those above it where they are missing."""
        known = self._folders.get(path)
        if known is not None:
            return known
        above = self._folders.get(posixpath.dirname(path))
        target = f"{above}/{posixpath.basename(path)}"
        if above is None or os.path.islink(target):
            target = resolve(self._root, path)
        missing = []
        at = target
        while not os.path.lexists(at):
            missing.append(at)
            at = os.path.dirname(at)
        if not stat.S_ISDIR(os.lstat(at).st_mode):
            found = f"{self._called}{at[len(self._root) :]}"
            raise BuildError(f"{self._called}/{path} cannot be a directory: {found} is not one")
        for one in reversed(missing):
            os.mkdir(one, _PARENT_MODE)
            os.chown(one, *self._owner)
        self._folders[path] = target
        return target

    def _make_room(self, path: str, target: str) -> None:
        try:
            found = os.lstat(target)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(found.st_mode):
            raise BuildError(
                f"{self._called}/{path} is a directory, and something else is to be there",
                hint="end the destination with a slash to put it inside",
            )
        os.unlink(target)

    def _write(self, entry: Entry, target: str, content: Iterable[bytes]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(target, flags, 0o600)
        try:
            for data in content:
                write_all(fd, data)
        finally:
            os.close(fd)
        self._settle(entry, target)

    def _settle(self, entry: Entry, target: str) -> None:
        """Give what was made its owner, mode, attributes and time, in the order in which they last."""
        os.chown(target, entry.uid, entry.gid, follow_symlinks=False)
        if entry.type != SYMLINK:
            os.chmod(target, entry.mode)
        for name, value in entry.xattrs:
            os.setxattr(target, name, value, follow_symlinks=False)
        seconds = entry.mtime * 1_000_000_000
        os.utime(target, ns=(seconds, seconds), follow_symlinks=False)

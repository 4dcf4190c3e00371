"""An archive of a context as a folder. Nothing is written outside of that folder, whatever the archive says."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Final

from hermes.errors import BuildError, LayerError
from hermes.layer.decompress import Decompressed
from hermes.layer.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry
from hermes.layer.links import resolved
from hermes.layer.tar_reader import Member, members

_OWN: Final = 0o700
"""What this user needs to write into a folder."""


def unpack(archive: Path, root: Path, name: str) -> list[str]:
    """Unpack an archive, compressed or not, into an empty folder; ``name`` is what errors call it.

    Return the folders, the highest first, that their owner may not empty. Links lead where they would in a file system of which the folder is the root. Everything belongs to this user.
    Raises `LayerError` for one that is damaged or cut short, `BuildError` for what cannot be made here.
    """
    unpacking = _Unpacking(root, name)
    with archive.open("rb") as file:
        for member in members(Decompressed(file, name=name).read, name=name):
            unpacking.add(member)
    return unpacking.settle()


class _Unpacking:
    def __init__(self, root: Path, name: str) -> None:
        self._root = str(root)
        self._name = name
        self._links: dict[str, str] = {}
        self._modes: dict[str, int] = {}

    def add(self, member: Member) -> None:
        entry = member.entry
        if not entry.path:
            return
        path = self._inside(entry.path)
        target = f"{self._root}/{path}"
        self._make_folders(posixpath.dirname(target))
        if entry.type == DIRECTORY:
            self._make_folder(path, target)
            self._modes[path] = entry.mode
            return
        self._make_room(path, target)
        if entry.type == FILE:
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as file:
                file.writelines(member.content)
                os.fchmod(fd, entry.mode)
        elif entry.type == SYMLINK:
            os.symlink(entry.link, target)
            self._links[path] = entry.link
        else:
            self._make(entry, target)

    def settle(self) -> list[str]:
        """Give the folders their modes, once nothing is written into them any more; return those that are closed then."""
        for path, mode in sorted(self._modes.items(), reverse=True):
            os.chmod(f"{self._root}/{path}", mode)
        return [f"{self._root}/{path}" for path, mode in sorted(self._modes.items()) if ~mode & _OWN]

    def _make(self, entry: Entry, target: str) -> None:
        try:
            if entry.type == HARDLINK:
                os.link(f"{self._root}/{self._inside(entry.link)}", target, follow_symlinks=False)
            elif entry.type == FIFO:
                os.mkfifo(target)
                os.chmod(target, entry.mode)
            elif entry.type in (CHARACTER, BLOCK):
                kind = 0o020000 if entry.type == CHARACTER else 0o060000
                os.mknod(target, kind | entry.mode, os.makedev(*entry.device))
                os.chmod(target, entry.mode)
        except OSError as error:
            problem = f"{self._name}: {entry.path} cannot be made here: {error.strerror}"
            raise BuildError(problem, hint="leave it out of the archive") from None

    def _inside(self, path: str) -> str:
        return resolved(path, self._links.get, follow_last=False)

    def _make_folders(self, target: str) -> None:
        try:
            os.makedirs(target, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            inside = target.removeprefix(f"{self._root}/")
            raise LayerError(f"{self._name}: {inside} is a file and a folder") from None

    def _make_folder(self, path: str, target: str) -> None:
        if os.path.islink(target) or (os.path.lexists(target) and not os.path.isdir(target)):
            self._make_room(path, target)
        os.makedirs(target, exist_ok=True)
        os.chmod(target, _OWN)

    def _make_room(self, path: str, target: str) -> None:
        if not os.path.lexists(target):
            return
        if os.path.isdir(target) and not os.path.islink(target):
            raise LayerError(f"{self._name}: {path} is a file and a folder")
        os.unlink(target)
        self._links.pop(path, None)

"""Where the files of a build context are: in a folder of the machine, or declared one by one.

Paths are relative to the context's root and have no links before their last part.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from hermes.engine.action import EXECUTABLE, LINK, Artifact, Source
from hermes.layer import archives
from hermes.layer.content import Signature, signature
from hermes.layer.entry import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, SYMLINK

NOTHING: Final = (0, 0, 0, 0)
"""The signature of what is not there."""
SOCKET: Final = "socket"


class Status(NamedTuple):
    """``type`` is a type of entry, or `SOCKET`, which a layer cannot have; ``inode`` is set where a file has several names.

    ``device`` is as in `hermes.layer.entry.Entry`.
    """

    type: str
    mode: int
    inode: tuple[int, int] | None = None
    device: tuple[int, int] = (0, 0)

    @property
    def is_directory(self) -> bool:
        return self.type == DIRECTORY


class Files(Protocol):
    """The files of a context; ``shown`` names the place in messages."""

    shown: str

    def status(self, path: str) -> Status | None:
        """Return what is at a path, or None."""
        ...

    def names(self, folder: str) -> list[tuple[str, bool]]:
        """Return the names in a folder in their order, and whether each is a folder; nothing where there is none."""
        ...

    def link(self, path: str) -> str | None:
        """Return the target of a symbolic link, or None where there is no link."""
        ...

    def artifact(self, path: str) -> Artifact:
        """Return what stands for a file or symbolic link in an action."""
        ...

    def is_archive(self, path: str) -> bool:
        """Tell whether ADD would unpack what is at a path."""
        ...


class FolderFiles:
    """A folder of the machine. Its files are sources called by ``name``, a NUL and their path.

    ``looked`` notes each path that was looked at, with what tells that the same is there, all zero for nothing.
    """

    def __init__(self, root: str, name: str, looked: dict[str, Signature] | None = None) -> None:
        self.shown = root or "/"
        self._root = root
        self._name = name
        self._looked = {} if looked is None else looked

    def status(self, path: str) -> Status | None:
        found = self._look(path)
        if found is None:
            return None
        mode = found.st_mode
        if stat.S_ISDIR(mode):
            return Status(DIRECTORY, stat.S_IMODE(mode))
        if stat.S_ISLNK(mode):
            return Status(SYMLINK, 0o777)
        if stat.S_ISREG(mode):
            inode = (found.st_dev, found.st_ino) if found.st_nlink > 1 else None
            return Status(FILE, stat.S_IMODE(mode), inode)
        if stat.S_ISSOCK(mode):
            return Status(SOCKET, 0)
        if stat.S_ISFIFO(mode):
            return Status(FIFO, stat.S_IMODE(mode))
        device = os.major(found.st_rdev), os.minor(found.st_rdev)
        return Status(CHARACTER if stat.S_ISCHR(mode) else BLOCK, stat.S_IMODE(mode), device=device)

    def _look(self, path: str) -> os.stat_result | None:
        full = f"{self._root}/{path}".rstrip("/")
        try:
            found = os.lstat(full or "/")
        except (FileNotFoundError, NotADirectoryError):
            self._looked[full] = NOTHING
            return None
        self._looked[full] = signature(found)
        return found

    def names(self, folder: str) -> list[tuple[str, bool]]:
        self._look(folder)
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                return sorted((one.name, one.is_dir(follow_symlinks=False)) for one in entries)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def link(self, path: str) -> str | None:
        self._look(path)
        try:
            return os.readlink(f"{self._root}/{path}")
        except OSError:
            return None

    def artifact(self, path: str) -> Artifact:
        return Source(f"{self._name}\0{path}")

    def is_archive(self, path: str) -> bool:
        return archives.is_archive(f"{self._root}/{path}")


@dataclass(frozen=True, slots=True)
class DeclaredFile:
    """``kind`` is that of its value, ``place`` where its bytes are, ``link`` its target if it is a symbolic link."""

    kind: str
    artifact: Artifact
    place: str
    link: str | None = None

    @property
    def status(self) -> Status:
        if self.kind == LINK:
            return Status(SYMLINK, 0o777)
        return Status(FILE, 0o755 if self.kind == EXECUTABLE else 0o644)


class DeclaredFiles:
    """Files by their paths, in folders that those imply, of mode 0755. ``shown`` says whose they are."""

    def __init__(self, files: Mapping[str, DeclaredFile], shown: str) -> None:
        self.shown = shown
        self._files = files
        self._folders = _folders(files)

    def status(self, path: str) -> Status | None:
        if path in self._folders:
            return Status(DIRECTORY, 0o755)
        found = self._files.get(path)
        return found.status if found else None

    def names(self, folder: str) -> list[tuple[str, bool]]:
        return sorted(self._folders.get(folder, {}).items())

    def link(self, path: str) -> str | None:
        found = self._files.get(path)
        return found.link if found else None

    def artifact(self, path: str) -> Artifact:
        return self._files[path].artifact

    def is_archive(self, path: str) -> bool:
        found = self._files.get(path)
        return found is not None and found.kind != LINK and archives.is_archive(found.place)


def _folders(paths: Iterable[str]) -> dict[str, dict[str, bool]]:
    """Map each folder of some paths to the names in it, and whether each is a folder."""
    found: dict[str, dict[str, bool]] = {"": {}}
    for path in paths:
        name, is_folder = path, False
        while name:
            folder = posixpath.dirname(name)
            names = found.setdefault(folder, {})
            known = names.get(posixpath.basename(name))
            names[posixpath.basename(name)] = is_folder
            if known == is_folder:
                break
            name, is_folder = folder, True
    return found

"""The folders of a workspace, each listed once a build, and what is remembered to notice a change."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hermes.errors import SourceError
from hermes.workspace.location import OUTPUT_FOLDER
from hermes.workspace.sources import TICK_NS

BUILD_FILES: Final = ("BUILD.hermes", "BUILD")
_NEVER_THE_SAME: Final = (-1, -1, -1)
_NEVER: Final = frozenset((OUTPUT_FOLDER, ".git", ".hg", ".svn"))


class Listing(NamedTuple):
    """What a folder held: names of files (links among them) and of folders, sorted, and its signature."""

    files: tuple[str, ...]
    folders: tuple[str, ...]
    signature: tuple[int, int, int]
    links: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """Changes when a name or its kind does."""
        text = "\0".join((*self.files, "", *self.folders, "", *sorted(self.links)))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    @property
    def row(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """The names as plain data: of files, of folders, of links."""
        return self.files, self.folders, tuple(sorted(self.links))

    @property
    def build_file(self) -> str:
        """The name of the BUILD file here, or an empty string."""
        return next((name for name in BUILD_FILES if name in self.files), "")


def signature_of(status: os.stat_result) -> tuple[int, int, int]:
    """What tells that a folder's names are still those that were listed: mtime, ctime, inode."""
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def list_folder(path: str) -> Listing:
    """List a folder; raises `OSError`. One that may change again without its times showing it has no signature."""
    signature = signature_of(os.stat(path))
    if max(signature[:2]) > time.time_ns() - TICK_NS:
        signature = _NEVER_THE_SAME
    files, folders, links = [], [], []
    with os.scandir(path) as items:
        for item in items:
            if item.is_dir(follow_symlinks=False):
                folders.append(item.name)
            elif item.is_symlink():
                links.append(item.name)
            elif item.is_file(follow_symlinks=False):
                files.append(item.name)
    files += links
    files.sort()
    folders.sort()
    return Listing(tuple(files), tuple(folders), signature, frozenset(links))


class Folders:
    """The folders of one workspace. Paths are relative to its root, which is the empty path.

    ``recall`` returns the listing of a folder that is known not to have changed since an earlier build, or None.
    """

    def __init__(
        self,
        root: Path,
        ignore: tuple[str, ...] = (),
        recall: Callable[[str], Listing | None] = lambda _: None,
    ) -> None:
        self._root = str(root)
        self._ignore = frozenset(ignore)
        self._recall = recall
        self.seen: dict[str, Listing] = {}

    def listing(self, path: str) -> Listing:
        """Return what is in a folder of the workspace; raises `SourceError` when it cannot be read."""
        found = self.seen.get(path)
        if found is None and (found := self._recall(path)) is not None:
            self.seen[path] = found
        if found is None:
            try:
                found = list_folder(f"{self._root}/{path}" if path else self._root)
            except OSError as error:
                raise SourceError(f"{path or '.'}: {error.strerror}") from error
            folders = tuple(
                name
                for name in found.folders
                if name not in _NEVER and (f"{path}/{name}" if path else name) not in self._ignore
            )
            found = found._replace(folders=folders)
            self.seen[path] = found
        return found

    def has_folder(self, path: str) -> bool:
        """Tell whether a folder is there and part of the workspace."""
        here = ""
        for part in path.split("/") if path else ():
            if part not in self.listing(here).folders:
                return False
            here = f"{here}/{part}" if here else part
        return True

    def is_link(self, path: str) -> bool:
        """Tell whether a file of the workspace is a symbolic link."""
        folder, _, name = path.rpartition("/")
        return name in self.listing(folder).links

    def packages(self, below: str) -> Iterator[str]:
        """Yield the packages at and below a folder, in order."""
        pending = [below]
        while pending:
            path = pending.pop()
            listing = self.listing(path)
            if listing.build_file:
                yield path
            pending.extend(f"{path}/{name}" if path else name for name in reversed(listing.folders))

    def package_files(self, package: str) -> Iterator[str]:
        """Yield the files of a package relative to it, without those of packages inside it."""
        pending = [""]
        while pending:
            path = pending.pop()
            full = "/".join(part for part in (package, path) if part)
            listing = self.listing(full)
            if path and listing.build_file:
                continue
            prefix = f"{path}/" if path else ""
            for name in listing.files:
                yield prefix + name
            pending.extend(prefix + name for name in reversed(listing.folders))

    def package_of(self, path: str) -> str | None:
        """Return the package that a file or folder belongs to: the nearest folder above with a BUILD file."""
        folder = path
        while True:
            if self.has_folder(folder) and self.listing(folder).build_file:
                return folder
            if not folder:
                return None
            folder = folder.rpartition("/")[0]

"""An overlay's upper directory -> the entries of a layer.

Runs inside the user namespace that wrote the upper directory, after its overlay is unmounted. What did not
really change is taken out of the upper directory too, so that it can become the layer's tree by a rename:
extracting the layer's tar would give the same folder.

See Documentation/filesystems/overlayfs.rst ("whiteouts and opaque directories") and image-spec, layer.md
("Representing Changes").
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hermes.digest import CHUNK
from hermes.errors import LayerError
from hermes.layer.apply import OPAQUE_XATTR, xattrs_of
from hermes.layer.entry import (
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    WHITEOUT_PREFIX,
    Entry,
    Xattrs,
    join,
    opaque,
    whiteout,
)

if TYPE_CHECKING:
    from hermes.layer.content import Content
    from hermes.layer.write import Item

_PRIVATE_XATTRS: Final = ("user.overlay.origin", "user.overlay.impure", "user.overlay.uuid")


OwnerOf = Callable[[str], tuple[int, int] | None]


@dataclass(slots=True)
class Changes:
    """What an upper directory changes: entries in canonical order, those of directories only passed through among them.

    ``owners`` maps paths to the ids that their entries have and that could not be given on disk.
    """

    entries: list[Entry] = field(default_factory=list)
    owners: dict[str, tuple[int, int]] = field(default_factory=dict)

    def items(self, upper: str) -> Iterator[Item]:
        """Yield the entries with their content."""
        from hermes.layer.content import FileContent

        for entry in self.entries:
            content: Content | None = None
            if entry.type == FILE and entry.size:
                content = FileContent(f"{upper}/{entry.path}", entry.size)
            yield entry, content


def changes(upper: str, lower: str | None, *, mtime: int, owner: OwnerOf | None = None) -> Changes:
    """Return what ``upper`` changes of ``lower``, and remove from ``upper`` what changes nothing.

    ``lower`` is the merged view of the layers below (None: there are none). Every time in ``upper`` becomes
    ``mtime`` seconds. In a namespace with one id ``owner`` tells who is to own a path of the layers below;
    what root has changed there keeps its owner. Raises `LayerError` for names that a layer cannot hold.
    """
    differ = _Differ(upper, lower, mtime)
    differ.look()
    passed = differ.prune()
    found = Changes(sorted([*differ.kept, *passed], key=lambda entry: entry.sort_key))
    if owner is not None:
        _restore_owners(found, owner)
    return found


def peek(upper: str, lower: str | None) -> list[Entry]:
    """Return what ``upper`` changes of ``lower``, as `changes` does, and leave both as they are."""
    differ = _Differ(upper, lower, 0)
    differ.look()
    return differ.kept


def _restore_owners(found: Changes, owner: OwnerOf) -> None:
    for number, entry in enumerate(found.entries):
        ids = None if entry.is_whiteout else owner(entry.path)
        if ids is not None:
            found.entries[number] = entry._replace(uid=ids[0], gid=ids[1])
            found.owners[entry.path] = ids


class _Differ:
    def __init__(self, upper: str, lower: str | None, mtime: int) -> None:
        self._upper = upper
        self._lower = lower
        self._mtime = mtime
        self.kept: list[Entry] = []
        self._useless: list[str] = []
        self._hidden: list[str] = []
        self._attributes: list[tuple[str, str]] = []
        self._passed: list[Entry] = []
        self._inodes: dict[int, list[Entry]] = {}

    def look(self) -> None:
        """Find the changes, in canonical order."""
        pending = [("", self._lower is None)]
        while pending:
            path, covered = pending.pop()
            pending += self._directory(path, covered=covered)
        self._settle_links()
        self.kept.sort(key=lambda entry: entry.sort_key)

    def _directory(self, path: str, *, covered: bool) -> Iterator[tuple[str, bool]]:
        """Look at a directory, and yield those in it; ``covered``: nothing of the layers below shows through here."""
        target = _at(self._upper, path)
        status = os.lstat(target)
        xattrs = xattrs_of(target)
        is_opaque = self._overlay_xattrs(target)
        entry = self._entry(path, DIRECTORY, status, xattrs)
        below = None if covered else self._below(path)
        if below is not None and stat.S_ISDIR(below[0].st_mode):
            covered = is_opaque
            if is_opaque:
                self.kept.append(opaque(path, self._mtime))
                self.kept.append(entry)
            elif self._unchanged(entry, below, DIRECTORY):
                self._passed.append(entry._replace(passed=True))
            else:
                self.kept.append(entry)
        else:
            covered = True
            if is_opaque:
                self._attributes.append((target, OPAQUE_XATTR))
            if path or entry.mode != 0o755 or entry.uid or entry.gid or xattrs:
                self.kept.append(entry)
            else:
                self._passed.append(entry._replace(passed=True))
        with os.scandir(target) as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    self._check_name(item.name, path)
                    yield join(path, item.name), covered
                else:
                    self._other(join(path, item.name), covered=covered)

    def _other(self, path: str, *, covered: bool) -> None:
        target = _at(self._upper, path)
        status = os.lstat(target)
        mode = status.st_mode
        below = None if covered else self._below(path)
        if stat.S_ISCHR(mode) and status.st_rdev == 0:
            if below is None:
                self._useless.append(target)
            else:
                self.kept.append(whiteout(path, self._mtime))
            return
        if stat.S_ISSOCK(mode):
            self._useless.append(target)
            if below is not None:
                self._hidden.append(target)
                self.kept.append(whiteout(path, self._mtime))
            return
        self._check_name(path.rpartition("/")[2], path.rpartition("/")[0])
        self._overlay_xattrs(target)
        kind = _kind(mode, path)
        entry = self._entry(path, kind, status, xattrs_of(target))
        if kind == SYMLINK:
            entry = entry._replace(link=os.readlink(target), mode=0o777)
        elif kind == FILE and status.st_nlink > 1:
            self._inodes.setdefault(status.st_ino, []).append(entry)
            return
        if below is not None and self._unchanged(entry, below, kind):
            self._useless.append(target)
        else:
            self.kept.append(entry)

    def _settle_links(self) -> None:
        """Make the first name of each inode the file, and the others links to it."""
        for entries in self._inodes.values():
            entries.sort(key=lambda entry: entry.sort_key)
            first = entries[0]
            self.kept.append(first)
            self.kept.extend(
                entry._replace(type=HARDLINK, size=0, link=first.path, xattrs=()) for entry in entries[1:]
            )

    def prune(self) -> list[Entry]:
        """Remove what did not change, stamp the rest; return the unchanged directories that hold changes, without the root."""
        for target, name in self._attributes:
            try:
                os.removexattr(target, name, follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.ENODATA:  # taken away by another name of the file
                    raise
        for target in self._useless:
            os.unlink(target)
        for target in self._hidden:
            os.mknod(target, stat.S_IFCHR, 0)
        needed = {""}
        for entry in self.kept:
            path = entry.path
            while (cut := path.rfind("/")) > 0 and (path := path[:cut]) not in needed:
                needed.add(path)
        passed = []
        for entry in sorted(self._passed, key=lambda entry: len(entry.path), reverse=True):
            if entry.path in needed:
                passed.append(entry)
            else:
                os.rmdir(_at(self._upper, entry.path))
        self._stamp(passed)
        return [entry for entry in passed if entry.path]

    def _stamp(self, passed: list[Entry]) -> None:
        """Give everything the layer's time, directories after what they hold."""
        nanoseconds = self._mtime * 1_000_000_000
        times = (nanoseconds, nanoseconds)
        for entry in reversed(self.kept):
            if not entry.is_whiteout:
                os.utime(_at(self._upper, entry.path), ns=times, follow_symlinks=False)
        for entry in sorted(passed, reverse=True):
            os.utime(_at(self._upper, entry.path), ns=times)

    def _overlay_xattrs(self, target: str) -> bool:
        """Note the attributes that differ from mount to mount; return whether the directory is opaque."""
        is_opaque = False
        for name in os.listxattr(target, follow_symlinks=False):
            if name in _PRIVATE_XATTRS:
                self._attributes.append((target, name))
            elif name == OPAQUE_XATTR:
                is_opaque = os.getxattr(target, name) == b"y"
        return is_opaque

    def _entry(self, path: str, kind: str, status: os.stat_result, xattrs: Xattrs) -> Entry:
        return Entry(
            path,
            kind,
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_size if kind == FILE else 0,
            xattrs=xattrs,
            mtime=self._mtime,
        )

    def _below(self, path: str) -> tuple[os.stat_result, str] | None:
        """Return what the layers below have at ``path``."""
        assert self._lower is not None
        target = _at(self._lower, path)
        try:
            return os.lstat(target), target
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _unchanged(self, entry: Entry, below: tuple[os.stat_result, str], kind: str) -> bool:
        status, target = below
        if stat.S_IFMT(status.st_mode) != _FORMATS[kind]:
            return False
        if kind == SYMLINK:
            if os.readlink(target) != entry.link:
                return False
        elif stat.S_IMODE(status.st_mode) != entry.mode:
            return False
        if (status.st_uid, status.st_gid) != (entry.uid, entry.gid) or xattrs_of(target) != entry.xattrs:
            return False
        if kind != FILE:
            return True
        return status.st_size == entry.size and _same_content(_at(self._upper, entry.path), target)

    def _check_name(self, name: str, folder: str) -> None:
        if name.startswith(WHITEOUT_PREFIX):
            raise LayerError(
                f"/{join(folder, name)}: a layer cannot hold names that begin with {WHITEOUT_PREFIX}",
                hint="remove or rename the file before the command ends",
            )


_FORMATS: Final = {
    FILE: stat.S_IFREG,
    SYMLINK: stat.S_IFLNK,
    DIRECTORY: stat.S_IFDIR,
    FIFO: stat.S_IFIFO,
}


def _kind(mode: int, path: str) -> str:
    for kind, form in _FORMATS.items():
        if stat.S_IFMT(mode) == form:
            return kind
    raise LayerError(f"/{path}: a device node cannot be part of a layer that a command made")


def _at(root: str, path: str) -> str:
    return f"{root}/{path}" if path else root


def _same_content(one: str, other: str) -> bool:
    with open(one, "rb", buffering=0) as first, open(other, "rb", buffering=0) as second:
        while True:
            data = first.read(CHUNK)
            if data != second.read(CHUNK):
                return False
            if not data:
                return True

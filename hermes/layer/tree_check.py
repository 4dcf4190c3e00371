"""Whether a tree is what its layer's table of contents says: all of it is read. Runs where all of it can be read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hermes.layer.apply import OPAQUE_XATTR
from hermes.layer.entry import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    Entry,
    Xattrs,
    is_copied,
    join,
    parents,
)
from hermes.layer.toc import TableOfContents

_FORMATS: Final = {
    FILE: stat.S_IFREG,
    SYMLINK: stat.S_IFLNK,
    DIRECTORY: stat.S_IFDIR,
    FIFO: stat.S_IFIFO,
}
_LATEST: Final = 1 << 33
"""Times that every file system of a store can say, in seconds: up to the year 2242."""
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Hidden:
    """Stands for a whiteout."""


_HIDDEN: Final = _Hidden()
_Expected = dict[str, Entry | _Hidden | None]
"""Paths to what a tree has there; None for a directory that no entry describes."""


def difference(table: TableOfContents, root: str, owners: Mapping[str, Sequence[int]]) -> str:
    """Return how a tree differs from its layer's table, or an empty text.

    ``owners`` are those ids that could not be given on disk. Raises `OSError` for what cannot be read.
    """
    expected, opaque = _expected(table)
    for path in _paths(root):
        if path not in expected:
            return f"{path} is not in the layer"
        wanted = expected.pop(path)
        if problem := _problem(wanted, path, root, owners, is_opaque=path in opaque):
            return f"{path} {problem}"
    left = [path for path, one in expected.items() if not _is_device(one)]
    return f"{left[0]} is missing" if left else ""


def _expected(table: TableOfContents) -> tuple[_Expected, set[str]]:
    """Return what a tree of a layer has, and which directories are opaque; see `hermes.layer.apply.TreeWriter`."""
    found: _Expected = {one.path: one for one in table.entries if not one.is_whiteout}
    found.setdefault("", None)
    for entry in table.entries:
        for above in parents(entry.path):
            if above in found:
                break
            found[above] = None
    hidden = [one for one in table.entries if one.is_whiteout]
    for entry in hidden:
        if not entry.is_opaque:
            found.setdefault(entry.hidden, _HIDDEN)
    return found, {one.hidden for one in hidden if one.is_opaque}


def _paths(root: str) -> Iterator[str]:
    yield ""
    pending = [""]
    while pending:
        at = pending.pop()
        with os.scandir(_at(root, at)) as items:
            for item in items:
                path = join(at, item.name)
                yield path
                if item.is_dir(follow_symlinks=False):
                    pending.append(path)


def _problem(
    wanted: Entry | _Hidden | None,
    path: str,
    root: str,
    owners: Mapping[str, Sequence[int]],
    *,
    is_opaque: bool,
) -> str:
    target = _at(root, path)
    status = os.lstat(target)
    if isinstance(wanted, _Hidden):
        is_whiteout = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
        return "" if is_whiteout else "is not a whiteout"
    kind = DIRECTORY if wanted is None else wanted.type
    if wanted is not None and kind == HARDLINK:  # to a file or a symbolic link
        there = _at(root, wanted.link)
        is_same = os.path.lexists(there) and os.path.samestat(status, os.lstat(there))
        return "" if is_same else "is another file"
    if stat.S_IFMT(status.st_mode) != _FORMATS.get(kind):
        return "is of another type"
    if kind == DIRECTORY and is_opaque != _is_opaque(target):
        return "has another opaque marker"
    if wanted is None:
        return ""
    if kind == SYMLINK:
        if os.readlink(target) != wanted.link:
            return "leads elsewhere"
    elif stat.S_IMODE(status.st_mode) != wanted.mode:
        return "has another mode"
    if tuple(owners.get(path, (status.st_uid, status.st_gid))) != (wanted.uid, wanted.gid):
        return "has another owner"
    if 0 <= wanted.mtime < _LATEST and status.st_mtime_ns != wanted.mtime * 1_000_000_000:
        return "has another time"
    if _xattrs(target) != tuple(one for one in wanted.xattrs if is_copied(one[0])):
        return "has other extended attributes"
    if kind == FILE and (status.st_size != wanted.size or _sha256(target) != wanted.digest):
        return "has another content"
    return ""


def _xattrs(target: str) -> Xattrs:
    names = sorted(filter(is_copied, os.listxattr(target, follow_symlinks=False)))
    return tuple((name, os.getxattr(target, name, follow_symlinks=False)) for name in names)


def _is_opaque(target: str) -> bool:
    return OPAQUE_XATTR in os.listxattr(target) and os.getxattr(target, OPAQUE_XATTR) == b"y"


def _is_device(wanted: Entry | _Hidden | None) -> bool:
    return isinstance(wanted, Entry) and wanted.type in (CHARACTER, BLOCK)


def _sha256(target: str) -> str:
    with open(os.open(target, _OPEN), "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _at(root: str, path: str) -> str:
    return f"{root}/{path}" if path else root

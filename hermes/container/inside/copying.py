"""Copying into a root: what ``hermes ctr copy`` and ``add`` do, as COPY and ADD of a Dockerfile do it.

Runs in the user namespace. Sources are found within a base folder (of this machine, or another root) whose
links never lead out of it, and written by `hermes.container.inside.fill`.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from typing import Final

from hermes.container.copy import Copy
from hermes.container.inside.fill import RootWriter
from hermes.container.inside.rootpath import resolve
from hermes.container.inside.users import find_user
from hermes.container.lowers import Tree
from hermes.container.overlay import mount_stack
from hermes.digest import CHUNK
from hermes.errors import BuildError, UsageError
from hermes.layer.archives import archive_members, is_archive
from hermes.layer.entry import (
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    LARGEST_ID,
    SYMLINK,
    Entry,
    Xattrs,
    is_copied,
    join,
)
from hermes.sizes import whole_number
from hermes.wildcards import Ignored, expanded, is_pattern


class Copier:
    """Carries out a `Copy` into ``root``. ``base`` is where its sources are.

    ``growing`` are folders in which is what the copy writes: none of them can be copied, or there would be no end.
    """

    def __init__(self, copy: Copy, root: str, base: str, growing: Iterable[str] = ()) -> None:
        self._copy = copy
        self._root = root
        self._base = base
        self._ids = _owner(root, copy.owner)
        self._ignored = Ignored(copy.ignore, of="the ignore file")
        self._writer = RootWriter(root, owner=self._ids)
        self._inodes: dict[tuple[int, int], str] = {}
        self._growing = frozenset(map(_inode, growing))

    def run(self) -> None:
        """Copy; raises `UsageError` for a source that is not there."""
        copy = self._copy
        found = [one for source in copy.sources for one in self._matching(source)]
        dest = posixpath.normpath(posixpath.join("/", copy.workdir, copy.dest)).lstrip("/")
        is_folder = (
            copy.dest.endswith(("/", "/.")) or copy.dest == "." or len(found) + len(copy.files) > 1
        ) or os.path.isdir(resolve(self._root, dest))
        for path, name in found:
            self._source(path, name, dest, is_folder=is_folder)
        for path, name in copy.files:
            self._add(path, join(dest, name) if is_folder else dest)

    def _matching(self, source: str) -> Iterator[tuple[str, str]]:
        """Yield the files and folders that a source means: path on disk, and path in the base."""
        inside = posixpath.normpath(posixpath.join("/", source)).lstrip("/")
        path = resolve(self._base, inside)
        if not path:
            raise UsageError(
                "/ is the whole of this machine, with /proc and the store",
                hint="name the folders that are meant",
            )
        if os.path.lexists(path):
            if not self._ignored.leaves_out(inside) or os.path.isdir(path):
                yield path, inside
                return
        elif is_pattern(source):
            matches = [one for one in self._expand(inside) if not self._ignored.leaves_out(one[1])]
            if matches:
                yield from matches
                return
            raise UsageError(f"{source} matches nothing that is to be copied", hint="check the pattern")
        elif os.path.islink(link := resolve(self._base, inside, follow_last=False)):
            raise UsageError(
                f"{source} is a link to {os.readlink(link)}, which is not there",
                hint="copy the folder that the link is in, or what it was to lead to",
            )
        else:
            raise UsageError(f"{source}: there is no such file", hint=self._near(inside))
        raise UsageError(f"{source} is left out by the ignore file", hint="take it in again with !PATTERN")

    def _expand(self, pattern: str) -> list[tuple[str, str]]:
        """Return what a pattern matches, in order: paths on disk, and paths in the base."""
        found = expanded(pattern, lambda folder: _names(resolve(self._base, folder)))
        return [(resolve(self._base, one), one) for one in found]

    def _near(self, inside: str) -> str:
        import difflib

        names = _names(resolve(self._base, posixpath.dirname(inside)))
        near = difflib.get_close_matches(posixpath.basename(inside), names, 1)
        return f"did you mean {near[0]}?" if near else "sources are relative to the folder you are in"

    def _source(self, path: str, name: str, dest: str, *, is_folder: bool) -> None:
        self._inodes.clear()  # names are hard links only where one source folder has them so
        if os.path.isdir(path):
            self._writer.folder(dest)
            self._folder(path, name, dest)
        elif self._copy.extract and is_archive(path):
            self._extract(path, dest)
        else:
            self._add(path, join(dest, posixpath.basename(name)) if is_folder else dest)

    def _folder(self, path: str, name: str, dest: str) -> None:
        """Copy what is in a folder, however deep."""
        pending = [self._items(path, name, dest)]
        while pending:
            found = next(pending[-1], None)
            if found is None:
                pending.pop()
                continue
            item, inside, target = found
            is_folder = item.is_dir(follow_symlinks=False)
            if is_folder and self._ignored.leaves_out_all(inside):
                continue
            if not self._ignored.leaves_out(inside):
                self._add(item.path, target)
            if is_folder:
                pending.append(self._items(item.path, inside, target))

    def _items(self, path: str, name: str, dest: str) -> Iterator[tuple[os.DirEntry[str], str, str]]:
        """Yield what is in a folder, each with its path in the base and in the root."""
        if _inode(path) in self._growing:
            raise BuildError(
                f"{path} is the store, which holds the container itself",
                hint="copy what is beside it, or leave it out with --ignorefile",
            )
        for item in sorted(os.scandir(path), key=lambda one: one.name):
            yield item, join(name, item.name), join(dest, item.name)

    def _add(self, path: str, target: str) -> None:
        """Copy one thing as it is."""
        status = os.lstat(path)
        kind = next((one for one, check in _KINDS.items() if check(status.st_mode)), None)
        if stat.S_ISSOCK(status.st_mode):
            return
        if kind is None:
            raise BuildError(f"{path} is a device node, and cannot be copied")
        uid, gid = self._ids
        mode = stat.S_IMODE(status.st_mode)
        if self._copy.mode is not None and kind != SYMLINK:
            mode = self._copy.mode
        entry = Entry(
            target, kind, mode, uid, gid, status.st_size, xattrs=_xattrs(path), mtime=int(status.st_mtime)
        )
        if kind == SYMLINK:
            self._writer.add(entry._replace(link=os.readlink(path)))
            return
        if kind == FILE and status.st_nlink > 1:
            first = self._inodes.setdefault((status.st_dev, status.st_ino), target)
            if first != target:
                self._writer.add(entry._replace(type=HARDLINK, link=first))
                return
        self._writer.add(entry, _pieces(path) if kind == FILE else ())

    def _extract(self, path: str, dest: str) -> None:
        uid, gid = self._ids
        keeps = not self._copy.owner
        writer = self._writer.below(dest)  # as BuildKit and buildah: links in an archive lead nowhere else
        with open(path, "rb") as file:
            for member in archive_members(file, name=path):
                entry = member.entry
                if not keeps:
                    entry = entry._replace(uid=uid, gid=gid)
                entry = entry._replace(xattrs=tuple(one for one in entry.xattrs if is_copied(one[0])))
                if member.entry.path:
                    writer.add(entry, member.content)


_KINDS: Final = {
    FILE: stat.S_ISREG,
    DIRECTORY: stat.S_ISDIR,
    SYMLINK: stat.S_ISLNK,
    FIFO: stat.S_ISFIFO,
}


def _mounted_base(copy: Copy, root: str, trees: str, scratch: str) -> str:
    """Return the folder that the sources of a copy are in, mounting the root they are taken from if there is one."""
    if copy.within:
        return root
    if not (copy.stack or copy.changes):
        return "" if copy.base == "/" else copy.base
    opened = [Tree.open(f"{trees}/{one.diff_id.hex}", one.name) for one in copy.stack]
    if copy.changes:
        opened.append(Tree("the container", copy.changes))
    return mount_stack(opened, scratch, target="from")


def copy_into(copy: Copy, root: str, home: str, scratch: str) -> None:
    """Carry out a copy in the store at ``home``."""
    growing = (home, f"{home}/containers", f"{home}/tmp")  # noqa: S108 - within the store
    Copier(copy, root, _mounted_base(copy, root, f"{home}/trees", scratch), growing).run()


def _inode(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _owner(root: str, text: str) -> tuple[int, int]:
    """Return the ids that ``--chown`` means; a number alone is user and group, as in Dockerfiles."""
    if not text:
        return 0, 0
    user = find_user(root, text)
    number = whole_number(text, LARGEST_ID)
    return (user.uid, user.gid) if number is None else (number, number)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder or "/")
    except (FileNotFoundError, NotADirectoryError):
        return []


def _xattrs(path: str) -> Xattrs:
    return tuple(
        (name, os.getxattr(path, name, follow_symlinks=False))
        for name in sorted(os.listxattr(path, follow_symlinks=False))
        if is_copied(name)
    )


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while data := file.read(CHUNK):
            yield data

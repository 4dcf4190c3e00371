"""A layer's members -> a folder that an overlay can use as a lower directory.

The folder is new and belongs to the extraction alone, and every entry's parents are known to be directories
made here, so no link of the layer is ever followed. Runs where the layer's user ids can be set: in a user
namespace. Whiteouts become what overlayfs takes for them (Documentation/filesystems/overlayfs.rst,
"whiteouts and opaque directories", with ``userxattr``); device nodes, which nobody can make there, are left
out.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

from hermes.errors import LayerError, SandboxError
from hermes.layer.entry import (
    DIRECTORY,
    FIFO,
    FILE,
    HARDLINK,
    OPAQUE_NAME,
    SYMLINK,
    WHITEOUT_PREFIX,
    Entry,
    Xattrs,
)
from hermes.layer.shape import Shape
from hermes.layer.trees import Passing
from hermes.store.removal import remove_tree

OPAQUE_XATTR: Final = "user.overlay.opaque"
OVERLAY_XATTRS: Final = ("user.overlay.", "trusted.overlay.")


def xattrs_of(target: str) -> Xattrs:
    """Return the extended attributes of a file that a layer has: not those of overlayfs or of this machine's policy."""
    names = os.listxattr(target, follow_symlinks=False)
    if not names:
        return ()
    return tuple(
        (name, os.getxattr(target, name, follow_symlinks=False))
        for name in sorted(names)
        if not name.startswith(OVERLAY_XATTRS) and name != "security.selinux"
    )


class TreeWriter:
    """Writes entries below ``root``, an empty folder; `finish` ends it.

    In a namespace with one id everything belongs to that (``one_id``); ``owners`` then maps the paths of what
    is to belong to others to their user and group ids.
    """

    def __init__(self, root: str, *, name: str, one_id: bool = False) -> None:
        self.owners: dict[str, tuple[int, int]] = {}
        self._one_id = one_id
        self._root = root
        self._name = name
        self._shape = Shape(name)
        self._directories: dict[str, Entry | None] = {}

    def add(self, entry: Entry, content: Iterable[bytes] = ()) -> None:
        """Write one entry; a path that comes again replaces what was there."""
        try:
            self._add(entry, content)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise LayerError(
                f"{self._name}: {entry.path!r} cannot be extracted ({error.strerror})"
            ) from error

    def finish(self) -> Passing:
        """Give the directories what their entries say; return those that are none of the layer's changes, sorted.

        That is done last and from within: a directory's mode or attributes may apply to what is made in it.
        """
        for path in sorted(self._directories, reverse=True):
            entry = self._directories[path]
            target = self._target(path)
            if entry is not None:
                self._own(entry, target)
            seconds = entry.mtime * 1_000_000_000 if entry else 0
            os.utime(target, ns=(seconds, seconds))
        return Passing(
            sorted(path for path, entry in self._directories.items() if entry is None),
            sorted(path for path, entry in self._directories.items() if entry is not None and entry.passed),
        )

    def _target(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _add(self, entry: Entry, content: Iterable[bytes]) -> None:
        path, kind = entry.path, entry.type
        target = self._target(path)
        step = self._shape.add(entry)
        self._directories.setdefault("", None)
        for above in step.folders:
            os.mkdir(self._target(above), 0o755)
            self._directories[above] = None
        if step.removed:
            remove_tree(target)
            for one in step.removed:
                self._directories.pop(one, None)
        if path.rpartition("/")[2].startswith(WHITEOUT_PREFIX):
            if step.is_new:
                self._hide(entry)
        elif kind == FILE:
            self._write_file(entry, target, content)
        elif kind == DIRECTORY:
            if step.is_new:
                os.mkdir(target, 0o755)
            self._directories[path] = entry
        elif kind == HARDLINK:
            os.link(self._target(entry.link), target, follow_symlinks=False)
        elif kind in (SYMLINK, FIFO):
            os.symlink(entry.link, target) if kind == SYMLINK else os.mkfifo(target)
            self._own(entry, target)
            self._set_time(entry, target)

    def _write_file(self, entry: Entry, target: str, content: Iterable[bytes]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(target, flags, 0o600)
        try:
            for data in content:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
            if entry.uid or entry.gid:
                self._chown(fd, entry)
            os.fchmod(fd, entry.mode)
            if entry.xattrs:
                self._set_xattrs(fd, entry)
            seconds = entry.mtime * 1_000_000_000
            os.utime(fd, ns=(seconds, seconds))
        finally:
            os.close(fd)

    def _own(self, entry: Entry, target: str) -> None:
        """Set owner, mode and attributes of what is not a regular file."""
        if entry.uid or entry.gid:
            self._chown(target, entry)
        if entry.type != SYMLINK:
            os.chmod(target, entry.mode)
        if entry.xattrs:
            self._set_xattrs(target, entry)

    def _set_time(self, entry: Entry, target: str) -> None:
        seconds = entry.mtime * 1_000_000_000
        os.utime(target, ns=(seconds, seconds), follow_symlinks=False)

    def _chown(self, target: int | str, entry: Entry) -> None:
        if self._one_id:
            self.owners[entry.path] = entry.uid, entry.gid
            return
        try:
            if isinstance(target, int):
                os.fchown(target, entry.uid, entry.gid)
            else:
                os.chown(target, entry.uid, entry.gid, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise SandboxError(
                f"{self._name}: {entry.path!r} belongs to {entry.uid}:{entry.gid}, "
                "ids that this user has not been given",
                hint="give the user a subordinate range (`hermes doctor` says how)",
            ) from error

    def _set_xattrs(self, target: int | str, entry: Entry) -> None:
        for name, value in entry.xattrs:
            if name.startswith(OVERLAY_XATTRS):
                continue
            try:
                if isinstance(target, int):
                    os.setxattr(target, name, value)
                else:
                    os.setxattr(target, name, value, follow_symlinks=False)
            except OSError as error:
                unsupported = name.startswith("trusted.") or (
                    name.startswith("security.") and name != "security.capability"
                )
                if not unsupported:
                    raise LayerError(
                        f"{self._name}: {entry.path!r}: the attribute {name} cannot be set ({error.strerror})"
                    ) from error

    def _hide(self, entry: Entry) -> None:
        if entry.name == OPAQUE_NAME:
            os.setxattr(self._target(entry.hidden), OPAQUE_XATTR, b"y")
        else:
            os.mknod(self._target(entry.hidden), stat.S_IFCHR, 0)

"""Paths inside a root file system, resolved as a process in it would, and never out of it.

The root was made by the image's author, so nothing here lets the kernel follow a link of it. Only for a
root in which no process runs.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from hermes.errors import SandboxError
from hermes.layer.entry import parents
from hermes.layer.links import resolved

_NO_LINK: Final = (errno.EINVAL, errno.ENOENT, errno.ENOTDIR)


def resolve(root: str, path: str, *, follow_last: bool = True) -> str:
    """Return the path out of the root of what ``path`` names in it, there or not.

    Raises `BuildError` for a loop of links.
    """
    found = resolved(path, lambda inside: _link_at(f"{root}/{inside}"), follow_last=follow_last)
    return f"{root}/{found}" if found else root


def _link_at(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in _NO_LINK:
            return None
        raise


def _is_program(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o111)


def find_program(
    root: str,
    name: str,
    search: str,
    cwd: str,
    is_program: Callable[[os.stat_result], bool] = _is_program,
) -> str | None:
    """Return where in ``root`` a command's program is, by the rules of execvp(3), or None."""
    if "/" in name:
        candidates = [name if name.startswith("/") else f"{cwd}/{name}"]
    else:
        candidates = [f"{folder or cwd}/{name}" for folder in search.split(":")]
    for candidate in candidates:
        found = resolve(root, candidate)
        try:
            status = os.stat(found, follow_symlinks=False)
        except OSError:
            continue
        if is_program(status):
            return candidate
    return None


class MountPoints:
    """The mount points that a root lacks: made before a command runs, and taken away after it.

    They have no time of their own, and change none: a command could see it. With ``note``, a path of a file, what
    was made by a process that was killed is known to the next, and `remove` takes it away.
    """

    def __init__(self, root: str, note: str = "") -> None:
        self._root = root
        self._note = note
        self._made = [f"{root}/{path}" for path in _noted(note)] if note else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def need(self, path: str, *, directory: bool) -> str:
        """Make sure that ``path`` is there to be mounted on; return it with its links resolved.

        Raises `SandboxError` when something of another kind is in the way.
        """
        target = resolve(self._root, path)
        inside = target[len(self._root) :] or "/"
        try:
            found = os.lstat(target)
        except FileNotFoundError:
            self._make(target, directory=directory)
            return inside
        except NotADirectoryError:
            raise SandboxError(f"{path}: a parent of it is not a directory") from None
        if stat.S_ISDIR(found.st_mode) != directory:
            there, wanted = ("a file", "a directory") if directory else ("a directory", "a file")
            raise SandboxError(f"{path}: is {there} in the root, so {wanted} cannot be mounted there")
        return inside

    def _make(self, target: str, *, directory: bool) -> None:
        missing = []
        folder = os.path.dirname(target)
        while not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        times = os.stat(folder).st_mtime_ns
        made = [*reversed(missing), target]
        self._note_down(made)
        for one in reversed(missing):
            os.mkdir(one, 0o755)
        if directory:
            os.mkdir(target, 0o755)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        for one in made:
            os.utime(one, ns=(0, 0))
        os.utime(folder, ns=(times, times))

    def remove(self) -> None:
        """Take away what was made and is still empty.

        A command may have put links in the place of folders that were made: what they lead to is left alone.
        """
        for path in reversed(self._made):
            inside = path[len(self._root) + 1 :]
            if any(os.path.islink(f"{self._root}/{one}") for one in parents(inside)):
                continue
            try:
                status = os.lstat(path)
                if stat.S_ISDIR(status.st_mode):
                    os.rmdir(path)
                elif stat.S_ISREG(status.st_mode) and not status.st_size:
                    os.unlink(path)
            except OSError:
                continue
        self._made.clear()
        if self._note:
            with suppress(FileNotFoundError):
                os.unlink(self._note)

    def _note_down(self, paths: list[str]) -> None:
        self._made += paths
        if self._note:
            with open(self._note, "ab") as file:
                file.write(b"".join(os.fsencode(one[len(self._root) + 1 :]) + b"\0" for one in paths))


def _noted(note: str) -> list[str]:
    try:
        with open(note, "rb") as file:
            return [os.fsdecode(path) for path in file.read().split(b"\0") if path]
    except FileNotFoundError:
        return []

"""Removing folders that anybody may have filled: however deep they are, and without following what is in them."""

from __future__ import annotations

import contextlib
import os
from typing import Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str | os.PathLike[str], dir_fd: int | None = None) -> None:
    """Remove a folder, or as much of it as this user may, or what else is there.

    ``dir_fd`` is an open folder that ``path`` is in.

    `shutil.rmtree` takes a frame and a descriptor for each level, of which there are not enough for every layer.
    """
    try:
        fd = os.open(path, _FOLDER, dir_fd=dir_fd)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path, dir_fd=dir_fd)
        return
    names: list[str] = []
    above = [(_identity(fd), _emptied(fd))]
    try:
        while True:
            _, folders = above[-1]
            if folders:
                name = folders.pop()
                with contextlib.suppress(OSError):
                    fd = _moved(fd, name)
                    names.append(name)
                    above.append((_identity(fd), _emptied(fd)))
            elif names:
                above.pop()
                try:
                    fd = _moved(fd, "..")
                except OSError:  # a folder that may be read and not searched
                    return
                if _identity(fd) != above[-1][0]:  # somebody has moved it
                    return
                with contextlib.suppress(OSError):
                    os.rmdir(names.pop(), dir_fd=fd)
            else:
                break
    finally:
        os.close(fd)
    with contextlib.suppress(OSError):
        os.rmdir(path, dir_fd=dir_fd)


def _moved(fd: int, name: str) -> int:
    """Open a folder beside or below an open one, which is closed."""
    found = os.open(name, _FOLDER, dir_fd=fd)
    os.close(fd)
    return found


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _emptied(fd: int) -> list[str]:
    """Remove everything but directories from a directory; return the names of its directories."""
    folders = []
    with contextlib.suppress(OSError), os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.name, dir_fd=fd)
    return folders

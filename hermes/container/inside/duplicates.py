"""Copies of files and folders of the store that a command may change: with owners, modes, times and hard links."""

from __future__ import annotations

import os
import shutil
import stat


def duplicate(source: str, target: str) -> None:
    """Copy a file or a folder, however deep, to a path at which nothing is. Sockets and device nodes are left out."""
    inodes: dict[tuple[int, int], str] = {}
    folders = []
    pending = [(source, target)]
    while pending:
        at, to = pending.pop()
        status = os.lstat(at)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(to, 0o700)
            folders.append((at, to, status))
            pending += [(item.path, f"{to}/{item.name}") for item in os.scandir(at)]
        elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode) or stat.S_ISFIFO(status.st_mode):
            first = inodes.setdefault((status.st_dev, status.st_ino), to)
            if first != to:
                os.link(first, to, follow_symlinks=False)
                continue
            if stat.S_ISFIFO(status.st_mode):
                os.mkfifo(to, 0o600)
            else:
                shutil.copyfile(at, to, follow_symlinks=False)
            _describe(at, to, status)
    for at, to, status in reversed(folders):
        _describe(at, to, status)


def _describe(at: str, to: str, status: os.stat_result) -> None:
    os.chown(to, status.st_uid, status.st_gid, follow_symlinks=False)
    # What the store's own file system says of a link is nothing that a command sees.
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(to, stat.S_IMODE(status.st_mode))
        for name in os.listxattr(at):
            if name.startswith("user.") and not name.startswith("user.overlay."):
                os.setxattr(to, name, os.getxattr(at, name))
    os.utime(to, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)

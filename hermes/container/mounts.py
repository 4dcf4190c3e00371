"""Where a working container is mounted, for tools of the host: one overlay, in one mount namespace.

A mount lasts until it is taken away or its namespace ends, which is when the machine restarts, or when the last
process of `hermes unshare` does. See mount_namespaces(7), proc_pid_mountinfo(5).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hermes.errors import SandboxError, UsageError

_OCTAL: Final = re.compile(rb"\\([0-7]{3})")


def own_namespace() -> int:
    """Return the inode of this process's mount namespace."""
    return os.stat("/proc/self/ns/mnt").st_ino


def is_mounted(path: str) -> bool:
    """Tell whether something is mounted at ``path``, as this process sees it."""
    return os.path.ismount(path)


def holder(namespace: int, path: str) -> int:
    """Return a process in whose mount namespace, which has this inode, ``path`` is mounted; 0 if there is none."""
    for pid in _processes():
        try:
            if os.stat(f"/proc/{pid}/ns/mnt").st_ino == namespace and path in _mounts(pid):
                return pid
        except OSError:
            continue
    return 0


def mounted_below(folder: str) -> list[str]:
    """Return what is mounted below a folder, as this process sees it, the last mounted first."""
    return [path for path in reversed(list(_mounts("self"))) if path.startswith(f"{folder}/")]


def take_away(path: str, *, name: str) -> None:
    """Unmount a container; raises `UsageError` when somebody is in there."""
    from hermes.sandbox.syscalls import umount

    try:
        umount(path)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise UsageError(
                f"the container {name} is in use: a program has a file or its working folder in {path}",
                hint="leave that folder, or end the program",
            ) from error
        if error.errno == errno.EPERM:
            raise SandboxError(
                f"{path} cannot be unmounted from here", hint="do it in the `hermes unshare` that mounted it"
            ) from error
        raise


def _processes() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _mounts(pid: int | str) -> Iterator[str]:
    text = Path(f"/proc/{pid}/mountinfo").read_bytes()
    return (_unescaped(line.split(b" ", 5)[4]) for line in text.splitlines())


def _unescaped(field: bytes) -> str:
    """Undo the octal escapes of blanks and backslashes."""
    return os.fsdecode(_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), field))

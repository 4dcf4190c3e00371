"""The few system calls that Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18

MNT_DETACH: Final = 2

_SYS_MOUNT_SETATTR: Final = 442
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_MOUNT_ATTR_RDONLY: Final = 1
_PR_SET_PDEATHSIG: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move the calling process to new namespaces: unshare, section 2."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, options: str = "") -> None:
    """Mount a file system or change a mount: mount, section 2."""
    result = _libc.mount(
        source and os.fsencode(source),
        os.fsencode(target),
        kind and kind.encode(),
        flags,
        os.fsencode(options) or None,
    )
    _check(result, target)


def make_read_only(target: str) -> None:
    """Make a mount and all below it read-only: mount_setattr, section 2."""
    attributes = struct.pack("=4Q", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    path = os.fsencode(target)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes))
    )
    _check(result, target)


def umount(target: str, flags: int = 0) -> None:
    """See umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), flags), target)


def die_with_parent(signal: int) -> None:
    """Have the kernel send ``signal`` to this process when the thread that made it ends; see prctl(2)."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)

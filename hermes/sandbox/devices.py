"""A ``/dev`` for a container, with what bubblewrap's has.

Each runtime would make one of its own, a little different; a command that looks must not see by which it runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from hermes.sandbox.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount

_NODES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS: Final = {
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "fd": "/proc/self/fd",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}


def make(folder: str) -> Iterator[tuple[str, str]]:
    """Make ``folder`` and mount in it what a container needs; yield what goes where: target and source.

    ``/dev`` comes first, and holds links and mount points only: crun 1.8 leaves out what is mounted in a
    folder that it binds, and runc cannot do without it.
    """
    os.mkdir(folder)
    base = _mounted(f"{folder}/base", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for name, target in _LINKS.items():
        os.symlink(target, f"{base}/{name}")
    for name in _NODES:
        os.close(os.open(f"{base}/{name}", os.O_CREAT | os.O_WRONLY, 0o444))
    for name in ("shm", "pts"):
        os.mkdir(f"{base}/{name}", 0o755)
    yield "/dev", base
    yield from ((f"/dev/{name}", f"/dev/{name}") for name in _NODES)
    yield "/dev/shm", _mounted(f"{folder}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")  # noqa: S108
    options = "newinstance,ptmxmode=0666,mode=620"
    yield "/dev/pts", _mounted(f"{folder}/pts", "devpts", MS_NOSUID | MS_NOEXEC, options)


def _mounted(folder: str, kind: str, flags: int, options: str) -> str:
    os.mkdir(folder)
    mount(kind, folder, kind, flags, options)
    return folder

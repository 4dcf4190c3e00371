"""What a command finds in ``/etc`` about the names of machines. Runs in the user namespace."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Final

from hermes.container.inside.rootpath import MountPoints
from hermes.container.task import Task
from hermes.sandbox.process import Mount

_RESOLVER: Final = "/etc/resolv.conf"
_HOSTS: Final = "/etc/hosts"
_LARGEST: Final = 1 << 20


def names_of_machines(task: Task, root: str, points: MountPoints, path: str) -> Iterator[Mount]:
    """Yield the files of this machine, for a command that has its network, with the task's hosts before all others.

    The latter are written to ``path``, together with the root's own file where that of the machine is not to be seen.
    """
    if task.network and os.path.isfile(_RESOLVER):
        yield Mount(points.need(_RESOLVER, directory=False), os.path.realpath(_RESOLVER))
    shown = os.path.realpath(_HOSTS) if task.network and os.path.isfile(_HOSTS) else ""
    if not (shown or task.hosts):
        return
    target = points.need(_HOSTS, directory=False)
    if task.hosts:
        lines = "".join(f"{address}\t{name}\n" for name, address in task.hosts)
        with open(path, "wb") as file:
            file.write(lines.encode() + _content(shown or f"{root}{target}"))
        os.chmod(path, 0o644)
        os.utime(path, ns=(0, 0))
        shown = path
    yield Mount(target, shown)


def _content(path: str) -> bytes:
    """Return what a file without links holds, if it is one that can be read without waiting."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return b""
    with open(path, "rb") as file:
        return file.read(_LARGEST)

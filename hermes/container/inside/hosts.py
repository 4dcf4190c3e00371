"""What a command finds in ``/etc`` about the names of machines. Runs in the user namespace.

Every command has ``/etc/hosts`` and ``/etc/resolv.conf``, as in any container: files of its own, which cover what the
root has there and become no part of a layer.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from hermes.container.inside.rootpath import MountPoints
from hermes.container.task import Task
from hermes.errors import BuildError
from hermes.sandbox.network import HOSTS, RESOLV_CONF, hosts, resolver
from hermes.sandbox.process import Mount


def names_of_machines(task: Task, points: MountPoints, folder: str) -> Iterator[Mount]:
    """Write the files to ``folder`` and yield where they belong.

    Where a root has something else in their place (a folder, say) a command without a network goes without.
    """
    for target, content in (
        (HOSTS, hosts(task.network, task.hostname, task.hosts)),
        (RESOLV_CONF, resolver(task.network)),
    ):
        optional = task.network == "none" and not task.hosts
        with contextlib.suppress(BuildError) if optional else contextlib.nullcontext():
            found = points.need(target, directory=False)
            path = f"{folder}/{os.path.basename(target)}"
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, 0o644)
            os.utime(path, ns=(0, 0))
            yield Mount(found, path, writable=not task.read_only)

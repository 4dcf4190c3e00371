"""A command of this machine that fills a root file system, in the user namespace.

It runs in the machine's own system folders (`hermes.sandbox.host`), with the root mounted in them; what it
changed there is the layer, as with any other command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from hermes.container.calls.commands import RUN_TOOL, RunningTool
from hermes.container.inside.rootpath import MountPoints, find_program
from hermes.container.inside.run_in_stack import Container, stage
from hermes.container.inside.scratch import scratch_of, store_at
from hermes.container.task import Outcome
from hermes.errors import BuildError
from hermes.sandbox.host import ROOT, HostSandbox
from hermes.sandbox.process import DEFAULT_PATH, Mount, Process
from hermes.sandbox.remote import Caller, Stdio, serves_command

_CWD: Final = "/tmp"  # noqa: S108 - a path of the sandbox
_ENV: Final = {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8", "TZ": "UTC", "HOME": _CWD}


@serves_command(RUN_TOOL)
def run(call: RunningTool, stdio: Stdio, caller: Caller) -> Outcome:
    with store_at(call.home) as store, scratch_of(store) as scratch:
        sandbox = HostSandbox(call.where, scratch, call.hidden)
        return _Hosted(store, call.task, scratch).run(sandbox, stdio, caller)


class _Hosted(Container):
    """A root file system that a command fills from outside of it."""

    def _process(self, points: MountPoints) -> Process:
        task = self._task
        env = {**_ENV, **dict(task.env), "HERMES_ROOT": ROOT}
        program = find_program("", task.argv[0], env["PATH"], _CWD)
        if program is None:
            raise BuildError(
                f"there is no program {task.argv[0]!r} on this machine",
                hint=f"install it, or give its path; PATH is {env['PATH']}",
            )
        return Process(
            program=program,
            argv=task.argv,
            env=tuple(sorted(env.items())),
            cwd=_CWD,
            capabilities=task.capabilities,
            network=task.network,
            mounts=tuple(self._bound()),
            timeout=task.timeout,
        )

    def _bound(self) -> Iterator[Mount]:
        for number, staged in enumerate(self._task.staged):
            source = f"{self._scratch}/staged{number}"
            stage(staged, source)
            yield Mount(staged.target, source)
        for bound in self._task.bound:
            yield Mount(bound.target, os.path.realpath(bound.source), bound.writable)

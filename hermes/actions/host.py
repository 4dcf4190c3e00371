"""``host``: a command of this machine that fills a mounted stack of layers; its changes are a layer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Final

from hermes.actions.run import outputs_of, performed, staged
from hermes.actions.specs.host import Host
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, hinted_codec, stack_of
from hermes.container.mount_values import Bound
from hermes.container.stack import Commit
from hermes.container.task import Task
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import ActionError
from hermes.sandbox.host import shows
from hermes.sandbox.process import BUILD_CAPABILITIES

_CAPABILITIES: Final = (*BUILD_CAPABILITIES, "CAP_SYS_ADMIN")
"""Tools that fill a root mount what its programs need."""


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `ActionError` when a tool is not as declared, or as `hermes.actions.run.execute` does."""
    spec = of_request(Host[Resolved], request)
    for path, identity in spec.tools.items():
        _check_tool(path, identity)
    task = _task(spec, request, tools)
    return outputs_of(spec, performed(request, tools, task, tools.commands.run_host))


def _task(spec: Host[Resolved], request: Request, tools: Tools) -> Task:
    codec = hinted_codec(request)
    return Task(
        stack=stack_of(spec.roots, tools),
        argv=spec.argv,
        env=(("SOURCE_DATE_EPOCH", str(spec.mtime)), *spec.env.items()),
        capabilities=_CAPABILITIES,
        network=spec.chosen_network,
        timeout=request.action.timeout,
        staged=tuple(staged(spec, tools, "/")),
        bound=tuple(Bound(path, path) for path in _elsewhere(spec.tools)),
        outs=tuple(f"/{path.lstrip('/')}" for path in spec.outs),
        commit=Commit(spec.mtime, codec.spec if codec else ""),
    )


def _elsewhere(tools: Iterable[str]) -> Iterator[str]:
    """Yield the tools, and what they are links to, that are not in a folder that every command sees."""
    for path in tools:
        for one in dict.fromkeys((path, os.path.realpath(path))):
            if not shows(one):
                yield one


def _check_tool(path: str, identity: str) -> None:
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise ActionError(
            f"there is no program {path} on this machine",
            hint=f"install it ({os.path.basename(path)}, {identity}), or correct its path in tools",
        )
    if identity.startswith("sha256:"):
        with open(path, "rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if found != identity:
            raise ActionError(
                f"{path} is {found}, and the target declares {identity}",
                hint="install the declared version of it, or declare this one in tools",
            )

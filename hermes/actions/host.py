"""``host``: a command of this machine that fills a mounted stack of layers; its changes are a layer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from hermes.actions.run import outputs_of, performed, staged, timeout_of
from hermes.actions.tools import Tools, hinted_codec, params_of, stack_of
from hermes.container.stack import Commit
from hermes.container.task import Bound, Task
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.errors import ActionError
from hermes.sandbox.host import shows
from hermes.sandbox.process import BUILD_CAPABILITIES

_CAPABILITIES: Final = (*BUILD_CAPABILITIES, "CAP_SYS_ADMIN")
"""Tools that fill a root mount what its programs need."""


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `ActionError` when a tool is not as declared, or as `hermes.actions.run.execute` does."""
    params = params_of(request)
    for path, identity in params["tools"].items():
        _check_tool(path, identity, request.action.owner)
    task = _task(request, tools, params)
    outcome = performed(request, tools, task, tools.containers.run_host)
    return outputs_of(params, outcome)


def _task(request: Request, tools: Tools, params: dict[str, Any]) -> Task:
    codec = hinted_codec(request)
    epoch = params["mtime"]
    return Task(
        stack=stack_of(request, tools),
        argv=tuple(params["argv"]),
        env=(("SOURCE_DATE_EPOCH", str(epoch)), *params["env"].items()),
        capabilities=_CAPABILITIES,
        network=params["network"],
        timeout=timeout_of(request),
        staged=tuple(staged(request, tools, params, "/")),
        bound=tuple(Bound(path, path) for path in _elsewhere(params["tools"])),
        outs=tuple(f"/{path.lstrip('/')}" for path in params["outs"]),
        commit=Commit(epoch, codec.spec if codec else ""),
    )


def _elsewhere(tools: Iterable[str]) -> Iterator[str]:
    """Yield the tools, and what they are links to, that are not in a folder that every command sees."""
    for path in tools:
        for one in dict.fromkeys((path, os.path.realpath(path))):
            if not shows(one):
                yield one


def _check_tool(path: str, identity: str, owner: str) -> None:
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise ActionError(
            f"{owner}: there is no program {path} on this machine",
            hint=f"install it ({os.path.basename(path)}, {identity}), or correct its path in tools",
        )
    if identity.startswith("sha256:"):
        with open(path, "rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if found != identity:
            raise ActionError(
                f"{owner}: {path} is {found}, and the target declares {identity}",
                hint="install the declared version of it, or declare this one in tools",
            )

"""``run``: a command in a stack of layers; its changes are a layer, and some of its files are kept."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from hermes.actions.environment import Environment
from hermes.actions.kinds import LAYER
from hermes.actions.layer import link_of
from hermes.actions.tools import Tools, hinted_codec, of_role, params_of, stack_of
from hermes.container.stack import Commit
from hermes.container.task import (
    Agent,
    Bound,
    Cache,
    Outcome,
    Secret,
    Staged,
    StagedFile,
    Task,
    Tmpfs,
)
from hermes.digest import Digest
from hermes.engine.action import EXECUTABLE, FILE, LINK, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import ActionError, BuildError, SandboxError, SecretError, SecretLeaked
from hermes.sandbox.process import BUILD_CAPABILITIES
from hermes.store.caches import Sharing

WORK_FOLDER: Final = "."
"""The mount that stands for the folder that the command works in."""

CONTENT: Final = "content"
"""Where in a layer of the role ``bound`` that is which is mounted."""

Run = Callable[[Task, tuple[int, int, int]], Outcome]
"""Runs a task with standard input, output and error."""

_ONE_ID: Final = (
    "this user has one id only, so commands that change owners fail: "
    "give the user a subordinate range (`hermes doctor` says how)"
)
_LONGEST_ARGUMENT: Final = 128 << 10
"""In bytes, with the zero at its end: what Linux calls MAX_ARG_STRLEN; see execve(2)."""
_TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 1 << 16
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\t\x20-\x7e\xa0-\U0010ffff]")


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `ActionError` when the command fails, ends too late or does not make what it should."""
    params = params_of(request)
    if max(len(os.fsencode(one)) for one in params["argv"]) >= _LONGEST_ARGUMENT:
        raise BuildError(
            f"{request.action.owner}: the command has an argument of more than {_LONGEST_ARGUMENT >> 10} KiB, "
            "and the kernel takes none",
            hint="put it into a file, or a heredoc that begins with #!",
        )
    timeout = timeout_of(request)
    task = _task(request, tools, params, timeout)
    run = partial(tools.containers.run, waiting=tools.check_cancelled)
    return outputs_of(params, performed(request, tools, task, run))


def performed(request: Request, tools: Tools, task: Task, run: Run) -> Outcome:
    """Run a task with a log of its output; raises `ActionError` when it fails in any way of its own."""
    log = tools.store.log_path(request.key)
    try:
        outcome = _logged(task, log, run)
    except SandboxError:
        raise
    except SecretLeaked as error:
        raise SecretLeaked(f"{request.action.owner}: {error.message}", hint=error.hint) from None
    except BuildError as error:
        raise ActionError(
            f"{request.action.owner}: {error.message}",
            hint=error.hint,
            command=_shown(task.argv),
            tail=_tail(log),
            log=log if _tail(log) else "",
        ) from error
    if outcome.status:
        raise ActionError(
            f"{request.action.owner}: the command {_ending(outcome, task.timeout)}",
            hint=_ONE_ID if tools.containers.has_one_id and not outcome.timed_out else None,
            command=_shown(task.argv),
            tail=_tail(log),
            log=log,
        )
    return outcome


def timeout_of(request: Request) -> int | None:
    """Return after how many seconds the command is to be ended."""
    found: int | None = json.loads(request.action.unkeyed)["timeout"]
    return found


def _logged(task: Task, log: str, run: Run) -> Outcome:
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return run(task, (nothing, fd, fd))
    finally:
        os.close(fd)
        os.close(nothing)


def _task(request: Request, tools: Tools, params: dict[str, Any], timeout: int | None) -> Task:
    inherited = Environment()
    for one in of_role(request, "environment"):
        inherited = Environment.from_json(tools.document(one.value))
    codec = hinted_codec(request)
    epoch = params["mtime"]
    env = inherited.expanded(params["env"], of=request.action.owner)
    cwd = params["cwd"] or inherited.workdir or "/"
    return Task(
        stack=stack_of(request, tools),
        argv=tuple(params["argv"]),
        env=(("SOURCE_DATE_EPOCH", str(epoch)), *_unkeyed_env(request), *inherited.env, *env.items()),
        cwd=cwd,
        user=params["user"] or inherited.user,
        capabilities=tuple(params.get("capabilities", BUILD_CAPABILITIES)),
        network=params["network"],
        timeout=timeout,
        tmpfs=tuple(_tmpfs(params)),
        staged=tuple(staged(request, tools, params, cwd)),
        bound=(
            *_subscribed(request, tools, params),
            *_layers_bound(request, tools),
            *(Bound(**one) for one in params.get("volumes", ())),
        ),
        hosts=tuple((name, address) for name, address in params.get("hosts", ())),
        secrets=tuple(_secrets(request, tools, params)),
        agents=tuple(Agent(socket=tools.agents[one["id"]], **one) for one in params.get("agents", ())),
        caches=tuple(
            Cache(**{**one, "sharing": Sharing(one["sharing"])}) for one in params.get("caches", ())
        ),
        outs=tuple(path if path.startswith("/") else f"{cwd}/{path}" for path in params["outs"]),
        commit=Commit(epoch, codec.spec if codec else "") if params["layer"] else None,
    )


def staged(request: Request, tools: Tools, params: dict[str, Any], cwd: str) -> Iterator[Staged]:
    """Yield what is to be mounted for a command that works in ``cwd``."""
    mounts: dict[str, bool] = params["mounts"]
    outs = [path for path in params["outs"] if not path.startswith("/")]
    files: dict[str, list[StagedFile]] = {target: [] for target in mounts}
    for one in of_role(request, "src"):
        if mounts.get(one.path):
            files[one.path].append(_staged_file("", one, tools))
            continue
        target = next(target for target in mounts if one.path.startswith(f"{target}/"))
        files[target].append(_staged_file(one.path[len(target) + 1 :], one, tools))
    for target, found in files.items():
        works_here = target == WORK_FOLDER
        folders = (
            tuple(dict.fromkeys(os.path.dirname(path) for path in outs if "/" in path)) if works_here else ()
        )
        writable = works_here or target in params.get("writable", ())
        yield Staged(cwd if works_here else target, tuple(found), folders, writable)


def _tmpfs(params: dict[str, Any]) -> Iterator[Tmpfs]:
    """Yield the empty folders; ``/tmp`` is one unless the command is to see that of the image."""
    if not params.get("own_tmp"):
        yield Tmpfs("/tmp")  # noqa: S108 - a path of the sandbox
    for one in params.get("tmpfs", ()):
        yield Tmpfs(**one)


def _layers_bound(request: Request, tools: Tools) -> Iterator[Bound]:
    """Yield the layers that are mounted, of each what it has at ``CONTENT``."""
    for one in of_role(request, "bound"):
        tools.containers.ensure_tree(one.value.digest)
        yield Bound(one.path, f"{tools.store.trees}/{one.value.digest.hex}/root/{CONTENT}")


def _unkeyed_env(request: Request) -> Iterator[tuple[str, str]]:
    """Yield variables that cannot change what a command makes, such as the names of proxies."""
    found: dict[str, str] = json.loads(request.action.unkeyed).get("env", {})
    yield from found.items()


def _secrets(request: Request, tools: Tools, params: dict[str, Any]) -> Iterator[Secret]:
    for one in params.get("secrets", ()):
        value = tools.secrets.get(one["id"])
        if value is None:
            raise SecretError(
                f"{request.action.owner} needs the secret {one['id']!r}, which was not given",
                hint=f"pass --secret id={one['id']},src=FILE or --secret id={one['id']},env=VARIABLE",
            )
        yield Secret(value=value, **one)


def _subscribed(request: Request, tools: Tools, params: dict[str, Any]) -> Iterator[Bound]:
    for name in params.get("subscriptions", ()):
        if name not in tools.subscriptions:
            known = ", ".join(sorted(tools.subscriptions)) or "none"
            raise BuildError(
                f"{request.action.owner}: hermes.yaml has no subscription {name!r}",
                hint=f"say under subscriptions which folders of this machine belong to it; known: {known}",
            )
        for bound in tools.subscriptions[name]:
            if not os.path.exists(bound.source):
                raise BuildError(
                    f"{request.action.owner}: the subscription {name!r} mounts {bound.source}, which is not there",
                    hint="register this machine, or correct subscriptions in hermes.yaml",
                )
            yield bound


def _staged_file(path: str, one: Resolved, tools: Tools) -> StagedFile:
    if one.value.kind == LINK:
        return StagedFile(path, link=link_of(one))
    return StagedFile(path, tools.path_of(one), one.value.size, one.stamp, one.value.kind == EXECUTABLE)


def outputs_of(params: dict[str, Any], outcome: Outcome) -> dict[str, Value]:
    """Return what a command left, by the names of its action's outputs."""
    outputs = {
        f"out{number}": Value(EXECUTABLE if kept.executable else FILE, kept.digest, kept.size)
        for number, kept in enumerate(outcome.outs)
    }
    if params["layer"]:
        assert outcome.diff_id is not None
        outputs["layer"] = Value(LAYER, Digest(outcome.diff_id), outcome.size)
    return outputs


def _shown(argv: Sequence[str]) -> str:
    """Return the command as a person would type it: what a shell was given, as it was given."""
    if tuple(argv[:2]) == ("/bin/sh", "-c") and len(argv) == 3:
        return argv[2]
    return shlex.join(argv)


def _ending(outcome: Outcome, timeout: float | None) -> str:
    if outcome.timed_out:
        return f"took longer than its timeout of {timeout:g} seconds"
    if outcome.status > 128:
        try:
            return f"was ended by {signal.Signals(outcome.status - 128).name}"
        except ValueError:
            pass
    if outcome.status == 127:
        return "ended with status 127 (a program was not found)"
    return f"ended with status {outcome.status}"


def _tail(log: str) -> tuple[str, ...]:
    """Return the last lines of a log, without what would drive a terminal."""
    try:
        with open(log, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    lines = [_CONTROL.sub("", line).rstrip() for line in text.splitlines()]
    return tuple(line for line in lines if line)[-_TAIL_LINES:]

"""``run``: a command in a stack of layers; its changes are a layer, and some of its files are kept."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from hermes.actions.environment import Environment
from hermes.actions.kinds import LAYER
from hermes.actions.layer import link_of
from hermes.actions.specs.host import Host
from hermes.actions.specs.run import Run
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, hinted_codec, stack_of
from hermes.container.mount_values import CONTENT, Bound, Cache, Tmpfs
from hermes.container.output import piped
from hermes.container.stack import Commit
from hermes.container.task import Agent, Outcome, Secret, Staged, StagedFile, Task
from hermes.digest import Digest
from hermes.engine.action import EXECUTABLE, FILE, LINK, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import ActionError, BuildError, MissingBlobError, SandboxError, SecretError, SecretLeaked

WORK_FOLDER: Final = "."
"""The mount that stands for the folder that the command works in."""

RunTask = Callable[[Task, tuple[int, int, int]], Outcome]
"""Runs a task with standard input, output and error."""

_NO_PROGRAM: Final = 127
"""The exit status of a shell that did not find a program; see sh(1p)."""
_NOT_FOUND: Final = re.compile(r"(?:^|[\s:])([\w./+-]+): (?:command )?not found$", re.MULTILINE)
_ONE_ID: Final = (
    "this user has one id only, so commands that change owners fail: "
    "give the user a subordinate range (`hermes doctor` says how)"
)
_LONGEST_ARGUMENT: Final = 128 << 10
"""In bytes, with the zero at its end: what Linux calls MAX_ARG_STRLEN; see execve(2)."""
_TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 1 << 16
_LONGEST_LINE: Final = 1 << 16
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\t\x20-\x7e\xa0-\U0010ffff]")


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `ActionError` when the command fails, ends too late or does not make what it should."""
    spec = of_request(Run[Resolved], request)
    if max(len(os.fsencode(one)) for one in spec.argv) >= _LONGEST_ARGUMENT:
        raise BuildError(
            f"the command has an argument of more than {_LONGEST_ARGUMENT >> 10} KiB, "
            "and the kernel takes none",
            hint="put it into a file, or a heredoc that begins with #!",
        )
    task = task_of(spec, request, tools)
    run = partial(tools.commands.run, waiting=tools.check_cancelled)
    return outputs_of(spec, performed(request, tools, task, run))


def performed(request: Request, tools: Tools, task: Task, run: RunTask) -> Outcome:
    """Run a task with a log of its output; raises `ActionError` when it fails in any way of its own."""
    log = tools.store.log_path(request.key)
    try:
        outcome = _logged(task, log, run, partial(tools.printed, request.action))
    except (SandboxError, SecretLeaked, MissingBlobError):
        raise
    except BuildError as error:
        raise ActionError(
            error.message,
            hint=error.hint,
            command=_shown(task.argv),
            tail=_tail(log),
            log=log if _tail(log) else "",
        ) from error
    if outcome.status:
        raise ActionError(
            f"the command {_ending(outcome, task.timeout)}",
            hint=_ONE_ID
            if tools.commands.has_one_id and not outcome.timed_out
            else _advice(outcome, _tail(log)),
            command=_shown(task.argv),
            tail=_tail(log),
            log=log,
        )
    return outcome


def _logged(task: Task, log: str, run: RunTask, printed: Callable[[str], None]) -> Outcome:
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with whole_lines(printed) as tell, piped((nothing, fd, fd), tell=tell) as stdio:
            return run(task, stdio)
    finally:
        os.close(fd)
        os.close(nothing)


def task_of(spec: Run[Resolved], request: Request, tools: Tools) -> Task:
    """Return the root that a command runs in, and which of its files are kept."""
    inherited = Environment()
    if spec.environment is not None:
        inherited = Environment.from_json(tools.document(spec.environment.value))
    codec = hinted_codec(request)
    env = spec.env if spec.literal_env else inherited.expanded(spec.env)
    cwd = spec.cwd or inherited.workdir or "/"
    return Task(
        stack=stack_of(spec.roots, tools),
        begun=stack_of(spec.begun, tools),
        argv=spec.argv,
        env=(
            ("SOURCE_DATE_EPOCH", str(spec.mtime)),
            *spec.proxies.items(),
            *inherited.env,
            *env.items(),
        ),
        cwd=cwd,
        user=spec.user or inherited.user,
        capabilities=spec.capabilities,
        network=spec.chosen_network,
        timeout=request.action.timeout,
        tmpfs=spec.tmpfs if spec.own_tmp else (Tmpfs("/tmp"), *spec.tmpfs),  # noqa: S108 - a path of the sandbox
        staged=tuple(staged(spec, tools, cwd)),
        bound=(*_subscribed(spec, tools), *_layers_bound(spec, tools), *spec.volumes),
        hosts=spec.hosts,
        secrets=tuple(_secrets(spec, tools)),
        agents=tuple(
            Agent(one.id, one.target, tools.agents[one.id], one.mode, one.uid, one.gid) for one in spec.agents
        ),
        caches=tuple(_caches(spec, tools)),
        outs=tuple(path if path.startswith("/") else f"{cwd}/{path}" for path in spec.outs),
        commit=Commit(spec.mtime, codec.spec if codec else "") if spec.layer else None,
    )


def staged(spec: Run[Resolved] | Host[Resolved], tools: Tools, cwd: str) -> Iterator[Staged]:
    """Yield what is to be mounted for a command that works in ``cwd``."""
    outs = [path for path in spec.outs if not path.startswith("/")]
    writable = spec.writable if isinstance(spec, Run) else ()
    files: dict[str, list[StagedFile]] = {target: [] for target in spec.mounts}
    for one in spec.sources:
        if spec.mounts.get(one.path):
            files[one.path].append(_staged_file("", one, tools))
            continue
        target = next(target for target in spec.mounts if one.path.startswith(f"{target}/"))
        files[target].append(_staged_file(one.path[len(target) + 1 :], one, tools))
    for target, found in files.items():
        works_here = target == WORK_FOLDER
        folders = (
            tuple(dict.fromkeys(os.path.dirname(path) for path in outs if "/" in path)) if works_here else ()
        )
        place = cwd if works_here else target
        yield Staged(place, tuple(found), folders, works_here or target in writable)


def _layers_bound(spec: Run[Resolved], tools: Tools) -> Iterator[Bound]:
    """Yield the layers that are mounted, of each what it has at ``CONTENT``."""
    for one in spec.bound:
        tools.layers.ensure_tree(one.value.digest)
        source = f"{tools.store.trees}/{one.value.digest.hex}/root/{CONTENT}"
        yield Bound(one.path, source, discards=one.path in spec.writable)


def _caches(spec: Run[Resolved], tools: Tools) -> Iterator[Cache]:
    """Yield the caches, those that begin with a layer with its diff_id."""
    seeds = {one.path: one.value.digest for one in spec.seeds}
    for one in seeds.values():
        tools.layers.ensure_tree(one)
    for cache in spec.caches:
        seed = seeds.get(cache.target)
        yield cache if seed is None else cache._replace(seed=seed.hex)


def _secrets(spec: Run[Resolved], tools: Tools) -> Iterator[Secret]:
    for one in spec.secrets:
        value = tools.secrets.get(one.id)
        if value is None:
            raise SecretError(
                f"the command needs the secret {one.id!r}, which was not given",
                hint=f"pass --secret id={one.id},src=FILE or --secret id={one.id},env=VARIABLE",
            )
        yield Secret(one.id, one.target, value, one.mode, one.uid, one.gid, one.env)


def _subscribed(spec: Run[Resolved], tools: Tools) -> Iterator[Bound]:
    for name in spec.subscriptions:
        if name not in tools.subscriptions:
            known = ", ".join(sorted(tools.subscriptions)) or "none"
            raise BuildError(
                f"hermes.yaml has no subscription {name!r}",
                hint=f"say under subscriptions which folders of this machine belong to it; known: {known}",
            )
        for bound in tools.subscriptions[name]:
            if not os.path.exists(bound.source):
                raise BuildError(
                    f"the subscription {name!r} mounts {bound.source}, which is not there",
                    hint="register this machine, or correct subscriptions in hermes.yaml",
                )
            yield bound


def _staged_file(path: str, one: Resolved, tools: Tools) -> StagedFile:
    if one.value.kind == LINK:
        return StagedFile(path, link=link_of(one, tools.store))
    return StagedFile(path, tools.path_of(one), one.value.size, one.stamp, one.value.kind == EXECUTABLE)


def outputs_of(spec: Run[Resolved] | Host[Resolved], outcome: Outcome) -> dict[str, Value]:
    """Return what a command left, by the names of its action's outputs."""
    outputs = {
        name: Value(EXECUTABLE if kept.executable else FILE, kept.digest, kept.size)
        for name, kept in zip(spec.out_names, outcome.outs, strict=True)
    }
    if spec.layer:
        assert outcome.diff_id is not None
        outputs["layer"] = Value(LAYER, Digest(outcome.diff_id), outcome.size)
    return outputs


def _shown(argv: Sequence[str]) -> str:
    """Return the command as a person would type it: what a shell was given, as it was given."""
    if tuple(argv[:2]) == ("/bin/sh", "-c") and len(argv) == 3:
        return argv[2]
    return shlex.join(argv)


def _advice(outcome: Outcome, tail: Sequence[str]) -> str | None:
    """Return what to do about a command that a shell did not find."""
    found = _NOT_FOUND.search("\n".join(tail[-3:])) if outcome.status == _NO_PROGRAM else None
    if found is None:
        return None
    return f"{found[1]} is not on PATH in this image: install it in a step before, or check how it is spelled"


def _ending(outcome: Outcome, timeout: float | None) -> str:
    if outcome.timed_out:
        return f"took longer than its timeout of {timeout:g} seconds"
    if outcome.status > 128:
        try:
            return f"was ended by {signal.Signals(outcome.status - 128).name}"
        except ValueError:
            pass
    if outcome.status == _NO_PROGRAM:
        return "ended with status 127 (a program was not found)"
    return f"ended with status {outcome.status}"


@contextmanager
def whole_lines(printed: Callable[[str], None]) -> Iterator[Callable[[bytes], None]]:
    """Give what takes the pieces of an output, and tells ``printed`` the lines in them, the last one at the end."""
    rest = b""

    def take(data: bytes) -> None:
        nonlocal rest
        whole, newline, rest = (rest + data).rpartition(b"\n")
        if len(rest) > _LONGEST_LINE:
            whole, rest = whole + newline + rest, b""
        if whole:
            printed(_plain(whole))

    yield take
    if rest:
        printed(_plain(rest))


def _plain(data: bytes) -> str:
    """Return lines as they are when they have been printed: what a carriage return writes over is gone."""
    lines = data.decode("utf-8", "replace").split("\n")
    return "\n".join(_CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in lines)


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

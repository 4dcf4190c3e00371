"""``test``: an image is tested; that it failed is an error, which is not cached."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from hermes.actions.environment import Environment
from hermes.actions.run import whole_lines
from hermes.actions.specs.spec import of_request
from hermes.actions.specs.test import Test
from hermes.actions.tools import Tools, stack_of, stored
from hermes.container.calls.testing import ImageTests, Planned
from hermes.container.mount_values import Bound
from hermes.container.output import piped
from hermes.container.profiles import tmpfs_of, writable_of
from hermes.container.task import Task
from hermes.engine.action import FILE
from hermes.engine.executor import Request, Result
from hermes.engine.key import Resolved
from hermes.errors import BuildFileError, SourceLocation, TestFailed, UsageError, clipped
from hermes.sandbox import capabilities
from hermes.sandbox.process import HOSTNAME
from hermes.testing.documents import parse
from hermes.testing.report import Case, Report
from hermes.testing.sizes import SIZES
from hermes.testing.suite import RunOptions, Structure
from hermes.testing.variables import expanded

_BIND_OPTIONS: Final = frozenset(
    {"ro", "rw", "z", "Z", "rprivate", "private", "rslave", "slave", "delegated", "cached"}
)
"""What a bind mount of docker may say; labels and propagation do not matter here."""


class _Plan(NamedTuple):
    """``reads_machine``: it is not only what the key knows that decides what comes of it."""

    planned: tuple[Planned, ...]
    reads_machine: bool


def execute(request: Request, tools: Tools) -> Result:
    """Raises `TestFailed` when a case failed, `BuildFileError` for a file of tests that is wrong."""
    spec = of_request(Test[Resolved], request)
    config: dict[str, Any] = tools.document(spec.config.value).get("config") or {}
    environment = Environment.from_json(config)
    task = Task(
        stack=stack_of(spec.roots, tools),
        argv=(),
        env=(*environment.env, *spec.env),
        cwd=spec.workdir or environment.workdir or "/",
        user=spec.user or environment.user,
        capabilities=spec.capabilities,
        network="default" if spec.network else "none",
        read_only=not spec.writable,
        tmpfs=(*tmpfs_of(spec.profile, spec.tmpfs, writable=spec.writable), *spec.tmpfs),
        writable=writable_of(spec.profile, config, writable=spec.writable),
        hostname=spec.hostname or HOSTNAME,
        seccomp="run",
    )
    config = (
        {**config, "Env": [f"{name}={value}" for name, value in dict(task.env).items()]}
        if spec.env
        else config
    )
    plan = _planned(spec, task, tools)
    testing = ImageTests(
        str(tools.store.home),
        ("", ""),
        config,
        request.action.timeout or SIZES["medium"],
        plan.planned,
        replace(task, argv=_server(spec, config)) if spec.http else None,
        spec.http,
        spec.chosen,
    )
    log = tools.store.log_path(request.key)
    report = _logged(testing, log, request, tools)
    if not report.passed:
        raise TestFailed(_said(report, testing.seconds), report=report.to_json(), log=log)
    return Result({"report": stored(tools.store, FILE, report.dump())}, lasting=not plan.reads_machine)


def _said(report: Report, seconds: float) -> str:
    if report.timed_out:
        return f"took longer than its {seconds:g} seconds, and was ended"
    first = report.failures[0]
    return f"{len(report.failures)} of {len(report.cases)} cases failed: {clipped(first.name)}: {clipped(first.errors[0])}"


def _logged(testing: ImageTests, log: str, request: Request, tools: Tools) -> Report:
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with (
            whole_lines(partial(tools.printed, request.action)) as tell,
            piped((nothing, fd, fd), tell=tell) as stdio,
        ):
            return tools.commands.test(testing, stdio)
    finally:
        os.close(fd)
        os.close(nothing)


def _server(spec: Test[Resolved], config: Mapping[str, Any]) -> tuple[str, ...]:
    argv = (*(config.get("Entrypoint") or ()), *(spec.argv or config.get("Cmd") or ()))
    if not argv:
        said = "the image has no entry point and no command, so there is no server to start"
        report = Report((Case("HTTP Test: start", (said, "give the image an entrypoint, or the test args")),))
        raise TestFailed(_said(report, 0), report=report.to_json())
    return argv


def _planned(spec: Test[Resolved], task: Task, tools: Tools) -> _Plan:
    planned, reads_machine = [], False
    for one in spec.files:
        with open(tools.path_of(one), "rb") as file:
            structure = parse(file.read(), one.path)
        options = structure.options
        bound, of_machine = _bound(options, one.path, spec, tools)
        env = {**_of_file(options, one.path, spec, tools), **dict(_of_machine(options, one.path))}
        reads_machine |= of_machine or bool(options.env)
        planned.append(Planned(structure, _opened(task, structure, bound, one.path), tuple(env.items())))
    if spec.command is not None:
        structure = Structure(commands=(spec.command,))
        planned.append(Planned(structure, _opened(task, structure, (), "")))
    return _Plan(tuple(planned), reads_machine)


def _opened(task: Task, structure: Structure, bound: tuple[Bound, ...], path: str) -> Task:
    """Return the task with what a file opens: its root can be written where commands prepare it for others."""
    options = structure.options
    prepared = any(one.setup for one in structure.commands)
    granted = task.capabilities
    try:
        more = ("all",) if options.privileged else options.capabilities
        granted = capabilities.chosen(more, (), granted)
    except UsageError as error:
        raise _wrong(path, f"containerRunOptions: {error.message}", error.hint) from None
    is_writable = not task.read_only or prepared or options.privileged
    return replace(
        task,
        user=options.user or task.user,
        capabilities=granted,
        read_only=not is_writable,
        tmpfs=() if prepared and task.read_only else task.tmpfs,
        writable=() if is_writable else task.writable,
        session=not options.tty,
        bound=bound,
    )


def _bound(
    options: RunOptions, path: str, spec: Test[Resolved], tools: Tools
) -> tuple[tuple[Bound, ...], bool]:
    """Return what ``bindMounts`` mounts, and whether something of it is this machine's alone."""
    found, of_machine = [], False
    for text in options.binds:
        source, _, rest = text.partition(":")
        target, _, given = rest.partition(":")
        flags = set(given.split(",")) if given else set()
        if not target.startswith("/") or target == "/" or not flags <= _BIND_OPTIONS:
            raise _wrong(path, f"expected HOST:CONTAINER or HOST:CONTAINER:ro in bindMounts, got {text!r}")
        if source.startswith("/"):
            if not os.path.exists(source):
                raise _wrong(path, f"{source} in bindMounts is not on this machine")
            of_machine = True
            found.append(Bound(os.path.normpath(target), source, writable="ro" not in flags))
        else:
            place = tools.path_of(_datum(source, "bindMounts", path, spec))
            found.append(Bound(os.path.normpath(target), place, discards="ro" not in flags))
    return tuple(found), of_machine


def _datum(name: str, field: str, path: str, spec: Test[Resolved]) -> Resolved:
    wanted = os.path.normpath(name)
    for one in spec.data:
        if one.path == wanted:
            return one
    raise _wrong(
        path, f"{name} in {field} is not a file of the target", "name the file in its attribute data"
    )


def _of_file(options: RunOptions, path: str, spec: Test[Resolved], tools: Tools) -> dict[str, str]:
    """Return the variables of ``envFile``; those without a value are left out, as container-structure-test does.

    A value that is not in single quotes may name variables of lines above it.
    """
    if not options.env_file:
        return {}
    found: dict[str, str] = {}
    with open(tools.path_of(_datum(options.env_file, "envFile", path, spec)), encoding="utf-8-sig") as file:
        for line in file:
            text = line.strip().removeprefix("export ")
            name, equals, value = text.partition("=")
            if not text.startswith("#") and equals and name.strip():
                value = value.strip()
                plain = _unquoted(value)
                found[name.strip()] = plain if value.startswith("'") else expanded(plain, found)
    return {name: value for name, value in found.items() if value}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in "\"'" and value.endswith(value[0]):
        return value[1:-1]
    return value.split(" #", 1)[0].rstrip()


def _of_machine(options: RunOptions, path: str) -> Iterator[tuple[str, str]]:
    for name in options.env:
        value = os.environ.get(name)
        if not value:
            raise _wrong(
                path, f"{name} in envVars is not set in this environment", f"set {name}, or take it out"
            )
        yield name, value


def _wrong(path: str, problem: str, hint: str | None = None) -> BuildFileError:
    return BuildFileError(problem, hint=hint, location=SourceLocation(path))

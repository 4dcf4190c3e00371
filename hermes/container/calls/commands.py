"""Calls that run commands."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self

from hermes.container.task import Outcome, Task
from hermes.sandbox.remote import RemoteCommand


class Running(NamedTuple):
    """Run a command in a stack of layers.

    ``home`` is the folder of the store. ``where`` is what `hermes.sandbox.choice.located` returned for the task's
    runtime. ``caches`` are pairs of the name of a cache and its folder, which the caller has locked. ``emulators`` are pairs
    of an architecture and the path of what emulates it.
    """

    home: str
    task: Task
    where: tuple[str, str]
    caches: tuple[tuple[str, str], ...] = ()
    emulators: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> list[Any]:
        return [self.home, self.task.to_json(), self.where, self.caches, self.emulators]

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, task, (path, library), *pairs = document
        caches, emulators = (tuple((name, at) for name, at in one) for one in pairs)
        return cls(home, Task.from_json(task), (path, library), caches, emulators)


class RunningTool(NamedTuple):
    """Run a command of this machine on a stack of layers; ``hidden`` are folders of the machine that it sees empty."""

    home: str
    task: Task
    where: tuple[str, str]
    hidden: tuple[str, ...]

    def to_json(self) -> list[Any]:
        return [self.home, self.task.to_json(), self.where, self.hidden]

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, task, (path, library), hidden = document
        return cls(home, Task.from_json(task), (path, library), tuple(hidden))


RUN: Final = RemoteCommand("hermes.container.inside.run_in_stack.run", Running, Outcome, "run a command")
RUN_TOOL: Final = RemoteCommand(
    "hermes.container.inside.run_host_tool.run", RunningTool, Outcome, "run a command of this machine"
)

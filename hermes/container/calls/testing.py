"""Calls that test images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from hermes.container.task import Task
from hermes.plain_values import built, plain
from hermes.sandbox.remote import RemoteCommand
from hermes.testing.report import Report
from hermes.testing.suite import HttpTest, Structure


class Planned(NamedTuple):
    """What one file asks for, and how its commands run: the ``argv`` of ``task`` is not used.

    ``env`` holds variables that its containers get when they start; see `hermes.testing.suite.RunOptions`.
    """

    structure: Structure
    task: Task
    env: tuple[tuple[str, str], ...] = ()


class ImageTests(NamedTuple):
    """Test an image whose ``config`` is that object of its configuration.

    ``home``, ``where`` and ``emulators`` are as in `hermes.container.calls.commands.Running`. ``server`` is the program that ``http``
    asks. Only cases whose name ``chosen``, a pattern, matches are run. All of it may take ``seconds``.
    """

    home: str
    where: tuple[str, str]
    config: Mapping[str, Any]
    seconds: float
    planned: tuple[Planned, ...] = ()
    server: Task | None = None
    http: HttpTest | None = None
    chosen: str = ""
    emulators: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> list[Any]:
        planned = [[plain(one.structure), one.task.to_json(), one.env] for one in self.planned]
        server = self.server and self.server.to_json()
        http = self.http and plain(self.http)
        return [
            self.home,
            self.where,
            self.config,
            self.seconds,
            planned,
            server,
            http,
            self.chosen,
            self.emulators,
        ]

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, (path, library), config, seconds, planned, server, http, chosen, emulators = document
        return cls(
            home,
            (path, library),
            config,
            seconds,
            tuple(
                Planned(
                    built(Structure, structure),
                    Task.from_json(task),
                    tuple((name, value) for name, value in env),
                )
                for structure, task, env in planned
            ),
            server and Task.from_json(server),
            http and built(HttpTest, http),
            chosen,
            tuple((name, at) for name, at in emulators),
        )


TEST: Final = RemoteCommand("hermes.container.inside.testing.run", ImageTests, Report, "test an image")

"""``hermes bud --compose``: the options, and what is printed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hermes.cli.progress import display
from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.build.dockerfile.options import DockerfileOptions

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ComposeOptions:
    """What the command line says of compose files; see `hermes.compose.project.Asked`."""

    files: tuple[str, ...]
    name: str
    profiles: tuple[str, ...]
    env_files: tuple[str, ...]
    only_print: bool

    def check_absent(self) -> None:
        """Raise `UsageError` where an option is given that means nothing without --compose."""
        given = {
            "--profile": self.profiles,
            "--project-name": self.name,
            "--env-file": self.env_files,
            "--print": self.only_print,
        }
        for option, value in given.items():
            if value:
                raise UsageError(f"{option} is for --compose", hint="name the file: --compose compose.yaml")


def compose_options(function: F) -> F:
    """Add the options of compose files."""
    for option in (
        click.option(
            "--print",
            "only_print",
            is_flag=True,
            help="With --compose: print what would be built, as `docker buildx bake --print` does.",
        ),
        click.option(
            "--env-file",
            "env_files",
            multiple=True,
            metavar="FILE",
            help="With --compose: use this, not .env.",
        ),
        click.option("--project-name", default="", metavar="NAME", help="With --compose: name the project."),
        click.option(
            "--profile",
            "profiles",
            multiple=True,
            metavar="NAME",
            help="With --compose: build the services of a profile, too.",
        ),
        click.option(
            "--compose",
            "compose_files",
            multiple=True,
            metavar="FILE",
            help="Build the services of a compose file, or those that are named; again for a file over it.",
        ),
    ):
        function = option(function)
    return function


def build(
    asked: ComposeOptions, services: tuple[str, ...], options: DockerfileOptions, *, quiet: bool, plain: bool
) -> None:
    """Build services, and print each with the digest of its image."""
    from hermes.api.composing import ComposeProject
    from hermes.compose.project import Asked

    started = time.monotonic()
    for option, value in (
        ("-f", options.file or options.text is not None),
        ("-t", options.tags),
        ("--target", options.target),
        ("-o", options.destinations),
    ):
        if value:
            raise UsageError(
                f"{option} does not go with --compose", hint="the compose file says this for each service"
            )
    files = Asked(asked.files, asked.name, asked.profiles, asked.env_files)
    if asked.only_print:
        project = ComposeProject(files, say=lambda text: click.echo(text, err=True))
        click.echo(json.dumps(project.plan(services, options), indent=2))
        return
    with display(quiet=quiet, plain=plain) as screen:
        project = ComposeProject(files, subscribers=[screen.event], say=screen.say)
        built = project.build(services, options)
        ran = sum(len(one.executed) for one in built.values())
        did = (
            f"{_counted(len(built), 'service')}, {_counted(ran, 'action')} executed"
            if ran
            else "nothing to do"
        )
        screen.say(f"{did}, {time.monotonic() - started:.2f}s")
    for name, one in built.items():
        click.echo(f"{name} {one.digest}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

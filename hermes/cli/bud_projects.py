"""``hermes bud --compose`` and ``--bake``: the options, and what is printed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hermes.cli.completion import files
from hermes.cli.progress import display
from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.api.projects import BakeProject, ComposeProject
    from hermes.build.dockerfile.built import BuiltDockerfile
    from hermes.build.dockerfile.options import DockerfileOptions
    from hermes.engine.events import Subscriber

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """What the command line says of compose and bake files."""

    compose: tuple[str, ...]
    bake: tuple[str, ...]
    name: str
    profiles: tuple[str, ...]
    env_files: tuple[str, ...]
    overrides: tuple[str, ...]
    only_print: bool = False

    @property
    def is_asked(self) -> bool:
        return bool(self.compose or self.bake)

    def check(self) -> None:
        """Raise `UsageError` where options do not go together."""
        of_compose = {
            "--profile": self.profiles,
            "--project-name": self.name,
            "--env-file": self.env_files,
        }
        if self.compose and self.bake:
            raise UsageError("--compose and --bake do not go together", hint="build one after the other")
        for option, value in of_compose.items():
            if value and not self.compose:
                raise UsageError(f"{option} is for --compose", hint="name the file: --compose compose.yaml")
        if self.overrides and not self.bake:
            raise UsageError("--set is for --bake", hint="name the file: --bake docker-bake.hcl")
        if self.only_print and not self.is_asked:
            raise UsageError("--print is for --compose and --bake", hint="name a file")

    def project(
        self, subscribers: list[Subscriber], say: Callable[[str], None]
    ) -> ComposeProject | BakeProject:
        """Read the files."""
        if self.bake:
            from hermes.api.projects import BakeProject
            from hermes.bake.project import Asked as BakeAsked

            return BakeProject(BakeAsked(self.bake, self.overrides), subscribers=subscribers, say=say)
        from hermes.api.projects import ComposeProject
        from hermes.compose.project import Asked

        asked = Asked(self.compose, self.name, self.profiles, self.env_files)
        return ComposeProject(asked, subscribers=subscribers, say=say)


def project_options(function: F) -> F:
    """Add the options of compose and bake files, and what only shows them."""
    return project_file_options(
        click.option(
            "--print",
            "only_print",
            is_flag=True,
            help="Print what would be built of a compose or bake file, as `docker buildx bake --print` does.",
        )(function)
    )


def project_file_options(function: F) -> F:
    """Add the options of compose and bake files, the first of which help shows first."""
    options = (
        (
            "--compose",
            "compose_files",
            "FILE",
            "Build the services of a compose file; again for a file over it.",
        ),
        ("--profile", "profiles", "NAME", "With --compose: build the services of a profile, too."),
        ("--env-file", "env_files", "FILE", "With --compose: take variables from this, not from .env."),
        ("--bake", "bake_files", "FILE", "Build the targets of a bake file; again for a file over it."),
        ("--set", "overrides", "TARGET.KEY=VALUE", "With --bake: another value, such as *.args.A=1."),
    )
    function = click.option("--project-name", default="", metavar="NAME", help="With --compose: name it.")(
        function
    )
    for option, name, metavar, text in reversed(options):
        complete = files if metavar == "FILE" else None
        function = click.option(
            option, name, multiple=True, metavar=metavar, shell_complete=complete, help=text
        )(function)
    return function


def build(
    asked: ProjectOptions, names: tuple[str, ...], options: DockerfileOptions, *, quiet: bool, progress: str
) -> dict[str, BuiltDockerfile]:
    """Build services or targets, print each with the digest of its image, and return them."""
    from hermes.build.dockerfile.outputs import LOAD, PUSH

    started = time.monotonic()
    for option, value in (
        ("-f", options.file or options.text is not None),
        ("-t", options.tags),
        ("--target", options.target),
        ("-o", [one for one in options.destinations if one not in (LOAD, PUSH)]),
    ):
        if value:
            kind, what = ("--bake", "target") if asked.bake else ("--compose", "service")
            raise UsageError(f"{option} does not go with {kind}", hint=f"the file says this for each {what}")
    if asked.only_print:
        project = asked.project([], lambda text: click.echo(text, err=True))
        click.echo(json.dumps(project.plan(names, options), indent=2))
        return {}
    with display(quiet=quiet, progress=progress) as screen:
        built = asked.project([screen.event], screen.say).build(names, options)
        ran = sum(len(one.executed) for one in built.values())
        did = (
            f"{_counted(len(built), 'image')}, {_counted(ran, 'action')} executed" if ran else "nothing to do"
        )
        screen.summary(f"{did}, {time.monotonic() - started:.2f}s")
    for name, one in built.items():
        click.echo(f"{name} {one.digest}")
    return built


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

"""``hermes lock``."""

from __future__ import annotations

import os

import click

from hermes.api.workspace import Workspace
from hermes.cli.options import build_options, chosen
from hermes.cli.progress import display


@click.command("lock")
@click.argument("patterns", nargs=-1, metavar="[PATTERN...]")
@build_options
def command(
    patterns: tuple[str, ...],
    jobs: int | None,
    keep_going: bool,
    platform: str,
    values: tuple[str, ...],
    quiet: bool,
) -> None:
    """Resolve packages and write lock files.

    Without a PATTERN, those of all targets that have one.

    \b
    hermes lock //app:base
    """
    options = chosen(jobs, keep_going, platform, values)
    with display(quiet=quiet) as screen:
        written = Workspace(say=screen.say).lock(patterns or ("//...",), options)
    for path in written:
        click.echo(os.path.relpath(path))

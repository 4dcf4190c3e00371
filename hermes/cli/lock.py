"""``hermes lock``."""

from __future__ import annotations

import os

import click

from hermes.api.workspace import Workspace
from hermes.cli.completion import labels
from hermes.cli.options import build_options, chosen
from hermes.cli.progress import display
from hermes.errors import UsageError


@click.command("lock")
@click.argument("patterns", nargs=-1, metavar="[PATTERN...]", shell_complete=labels)
@click.option("--check", is_flag=True, help="Write nothing, and fail where a lock file is stale.")
@click.option(
    "--update",
    is_flag=True,
    help="Pin images anew to what their tags mean now, and take the newest Python and npm packages.",
)
@build_options
def command(
    patterns: tuple[str, ...],
    check: bool,
    update: bool,
    jobs: int | None,
    keep_going: bool,
    platform: str,
    values: tuple[str, ...],
    quiet: bool,
) -> None:
    """Resolve packages and images of registries, and write lock files.

    Without a PATTERN, those of all targets that have one. Images that are pinned in hermes.lock.yaml, and versions of
    Python and npm packages, stay so without --update; a build never asks what a tag means.

    \b
    hermes lock //app:base
    hermes lock --update
    """
    if check and update:
        raise UsageError("--check and --update are two things")
    options = chosen(jobs, keep_going, platform, values)
    with display(quiet=quiet) as screen:
        written = Workspace(say=screen.say).lock(patterns, options, check=check, update=update)
    for path in written:
        click.echo(os.path.relpath(path))

"""``hermes lock``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from hermes.cli.build_options import analysis_options, quiet_option
from hermes.cli.completion import labels
from hermes.cli.progress import display
from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.build.options import BuildOptions


@click.command("lock")
@click.argument("patterns", nargs=-1, metavar="[PATTERN...]", shell_complete=labels)
@click.option("--check", is_flag=True, help="Write nothing, and fail where a lock file is stale.")
@click.option(
    "--update",
    is_flag=True,
    help="Pin images anew to what their tags mean now, and take the newest Python and npm packages.",
)
@analysis_options
@quiet_option
def command(
    patterns: tuple[str, ...],
    check: bool,
    update: bool,
    options: BuildOptions,
    quiet: bool,
) -> None:
    """Resolve packages and images of registries, and write lock files.

    Without a PATTERN, those of all targets that have one. Images that are pinned in hermes.lock.yaml, and versions of
    Python and npm packages, stay so without --update; a build never asks what a tag means.

    \b
    hermes lock //app:base
    hermes lock --update
    """
    from hermes.api.workspace import Workspace

    if check and update:
        raise UsageError("--check and --update are two things")
    with display(quiet=quiet) as screen:
        written = Workspace(say=screen.say).lock(patterns, options, check=check, update=update)
    for path in written:
        click.echo(os.path.relpath(path))

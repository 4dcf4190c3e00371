"""``hermes run``."""

from __future__ import annotations

import click

from hermes.api.workspace import Workspace
from hermes.cli.completion import labels
from hermes.cli.options import build_options, chosen, secret_option
from hermes.cli.progress import display
from hermes.cli.terminal import standard
from hermes.errors import CommandFailed


@click.command("run", context_settings={"ignore_unknown_options": False})
@click.argument("label", metavar="LABEL", shell_complete=labels)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS...]")
@click.option(
    "--entrypoint", metavar="PROGRAM", help="Start this program instead of the image's entry point."
)
@build_options
@secret_option
def command(
    label: str,
    arguments: tuple[str, ...],
    entrypoint: str | None,
    jobs: int | None,
    keep_going: bool,
    platform: str,
    values: tuple[str, ...],
    quiet: bool,
    secrets: tuple[str, ...],
) -> None:
    """Build an image and run it in the sandbox.

    ARGS take the place of the image's command; the exit status is the program's.

    \b
    hermes run //examples/hello:image -- --name Ada
    """
    options = chosen(jobs, keep_going, platform, values, secrets=secrets)
    with display(quiet=quiet) as screen:
        workspace = Workspace(subscribers=[screen.event], say=screen.say)
        result = workspace.build([label], options)
    with standard(terminal=None) as (stdio, _):
        status = workspace.run_built(result, arguments, entrypoint=entrypoint, stdio=stdio)
    if status:
        raise CommandFailed(status)

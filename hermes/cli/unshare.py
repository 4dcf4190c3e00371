"""``hermes unshare``."""

from __future__ import annotations

import os

import click

from hermes.errors import CommandFailed
from hermes.sandbox.unshare import run_unshared


@click.command("unshare")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def command(argv: tuple[str, ...]) -> None:
    """Run a command, or a shell, in a user namespace where this user is root of a range of ids.

    What an ordinary user mounts there with `hermes ctr mount` is seen by everything in there, and goes away with
    the last process of it.

    \b
    hermes unshare
    hermes unshare -- sh -c 'cp -r public "$(hermes ctr mount web)/srv"'
    """
    status = run_unshared(argv or (os.environ.get("SHELL") or "/bin/sh",))
    if status:
        raise CommandFailed(status)

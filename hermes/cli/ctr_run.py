"""``hermes ctr run``."""

from __future__ import annotations

import click

from hermes.api.containers import RunOptions, environment_value
from hermes.cli.completion import containers
from hermes.cli.ctr import opened
from hermes.cli.terminal import standard
from hermes.errors import CommandFailed


@click.command("run")
@click.argument("name", metavar="CONTAINER", shell_complete=containers)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="A variable for this command.")
@click.option("--workdir", default="", metavar="PATH", help="Where the command runs.")
@click.option("--user", default="", metavar="USER[:GROUP]", help="Who runs it.")
@click.option(
    "--network", type=click.Choice(["none", "host"]), default="none", show_default=True, help="Its network."
)
@click.option("-t/-T", "--terminal/--no-terminal", default=None, help="Give it a terminal of its own.")
def run(
    name: str,
    argv: tuple[str, ...],
    env: tuple[str, ...],
    workdir: str,
    user: str,
    network: str,
    terminal: bool | None,
) -> None:
    """Run a command in a container, as its configuration says; what it changes stays there.

    The exit status is the command's, or 128 and the number of the signal that ended it.

    \b
    hermes ctr run $ctr -- apt-get update
    hermes ctr run -t $ctr -- bash
    """
    options = RunOptions(
        env=tuple(environment_value(one) for one in env),
        workdir=workdir,
        user=user,
        network=network == "host",
    )
    from dataclasses import replace

    with standard(terminal=terminal) as (stdio, has_terminal):
        status = opened().run(name, argv, replace(options, terminal=has_terminal), stdio)
    if status:
        raise CommandFailed(status)

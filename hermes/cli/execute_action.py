"""``hermes execute-action``, which workers of remote execution run. It is not for people, and not in the help."""

from __future__ import annotations

from pathlib import Path

import click

from hermes.errors import CommandFailed


@click.command("execute-action", hidden=True)
@click.option("--schema", type=int, required=True, metavar="NUMBER", help="The form of the folders.")
@click.argument("action", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def command(schema: int, action: Path, out: Path) -> None:
    """Execute the action in the folder of the file ACTION, and write the folder OUT with what it gave.

    The store is that of HERMES_HOME, or one that is removed at the end. The exit status is 1 for an action that failed,
    and 76 where this machine cannot execute it.
    """
    from hermes.api.executing import execute_action

    status = execute_action(schema, action, out)
    if status:
        raise CommandFailed(status)

"""``hermes doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hermes.api.doctor import examine
from hermes.api.findings import FAILED, LIMITED, OK
from hermes.cli.options import remote_options
from hermes.errors import CommandFailed
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.remote.settings import RemoteChoice

_MARKS = {OK: "ok", LIMITED: "limited", FAILED: "FAILED"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@remote_options
def command(as_json: bool, remote: RemoteChoice | None) -> None:
    """Say what this machine can do, and what to do about what it cannot.

    The exit status is 1 when builds cannot work here. Remote services that are named are connected, and the executor is given a
    command that does nothing.

    \b
    hermes doctor --json
    """
    findings = list(examine(default_home(), remote))
    if as_json:
        import json

        click.echo(json.dumps([one._asdict() for one in findings], indent=2))
    else:
        width = max(len(one.name) for one in findings)
        for one in findings:
            click.echo(f"{one.name:{width}}  {_MARKS[one.state]:7}  {one.detail}")
            if one.hint:
                click.echo(f"{'':{width}}           hint: {one.hint}")
    if any(one.state == FAILED for one in findings):
        raise CommandFailed(1)

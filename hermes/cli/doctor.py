"""``hermes doctor``."""

from __future__ import annotations

import click

from hermes.api.doctor import FAILED, LIMITED, OK, examine
from hermes.errors import CommandFailed
from hermes.store.location import default_home

_MARKS = {OK: "ok", LIMITED: "limited", FAILED: "FAILED"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(as_json: bool) -> None:
    """Say what this machine can do, and what to do about what it cannot.

    The exit status is 1 when builds cannot work here.

    \b
    hermes doctor --json
    """
    findings = list(examine(default_home()))
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

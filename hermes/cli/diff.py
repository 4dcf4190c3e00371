"""``hermes diff``."""

from __future__ import annotations

import json

import click

from hermes.cli import completion
from hermes.cli.options import image_platform_option
from hermes.cli.tables import plain
from hermes.errors import CommandFailed
from hermes.images.comparing import CHANGED, Difference, compare


@click.command("diff")
@click.argument("one", metavar="A", shell_complete=completion.bases)
@click.argument("two", metavar="B", shell_complete=completion.bases)
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
@image_platform_option
@click.option("--times", is_flag=True, help="Compare modification times too.")
def command(one: str, two: str, as_json: bool, platform: str, times: bool) -> None:
    """Say in what two images or targets differ: A only in the second, D only in the first, C in both but different.

    What is compared is the file system that the layers leave, and the configuration but for its history. The exit
    status is 1 when they differ.

    \b
    hermes diff app:v1 //app:image
    hermes diff oci:yesterday oci:today --json
    """
    found = compare(one, two, platform=platform, times=times)
    if as_json:
        text = json.dumps([one.to_json() for one in found], indent=2, sort_keys=True, ensure_ascii=False)
        click.echo(text.encode("utf-8", "surrogateescape"))
    else:
        for difference in found:
            click.echo(plain(_shown(difference)).encode("utf-8", "surrogateescape"))
    if found:
        raise CommandFailed(1)


def _shown(one: Difference) -> str:
    name = one.name if one.where == "file" else f"config {one.name}"
    if one.kind != CHANGED:
        return f"{one.kind} {name}"
    fields = "; ".join(f"{field} {_short(before)} -> {_short(after)}" for field, before, after in one.fields)
    return f"{one.kind} {name}  {fields}"


def _short(text: str) -> str:
    return text[:19] if text.startswith("sha256:") else text or "nothing"

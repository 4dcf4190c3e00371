"""``hermes init``."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hermes.api.starting import IMAGE, TEMPLATES, fit, start
from hermes.api.workspace import Workspace
from hermes.errors import HermesError, UsageError


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--template", metavar="NAME", help=f"What to begin with: {', '.join(TEMPLATES)}.")
@click.option(
    "--lock/--no-lock", default=True, help="Resolve its Debian packages at once, or leave that to you."
)
def command(folder: Path, template: str | None, lock: bool) -> None:
    """Write a workspace with an image and a test, to begin with.

    FOLDER is made if it is not there; without, it is the current one. Nothing that is there is overwritten.

    \b
    hermes init shop --template python
    """
    name = template or _asked()
    written = start(folder, name)
    for path in written:
        click.echo(os.path.join(folder, path) if str(folder) != "." else path)
    if lock:
        _lock(folder, TEMPLATES[name].locked)
        fit(folder)
    _tell(folder, name)


def _asked() -> str:
    """Ask which template is wanted; raises `UsageError` where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("which template?", hint=f"give one: --template {', '.join(TEMPLATES)}")
    names = list(TEMPLATES)
    width = max(map(len, names))
    for number, name in enumerate(names, 1):
        click.echo(f"{number}  {name:{width}}  {TEMPLATES[name].about}", err=True)
    numbers = [str(number) for number in range(1, len(names) + 1)]
    answer = click.prompt(
        "Template", type=click.Choice([*names, *numbers]), show_choices=False, default="1", err=True
    )
    return names[int(answer) - 1] if answer in numbers else answer


def _lock(folder: Path, targets: Sequence[str]) -> None:
    workspace = Workspace(folder, say=lambda text: click.echo(text, err=True))
    try:
        for path in workspace.lock(targets):
            click.echo(os.path.relpath(path))
    except HermesError as error:
        again = f"cd {_quoted(folder)} && hermes lock {' '.join(targets)}"
        error.hint = f"{error.hint}; " if error.hint else ""
        error.hint += f"all other files are written, so then: {again}"
        raise


def _tell(folder: Path, template: str) -> None:
    click.echo("", err=True)
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {_quoted(folder)}", err=True)
    chosen = TEMPLATES[template]
    run = f"hermes run {chosen.run}"
    if chosen.address:
        run += f"  # and then: curl {chosen.address}"
    for line in (f"hermes build {IMAGE}", "hermes test //...", run):
        click.echo(f"  {line}", err=True)


def _quoted(folder: Path) -> str:
    return shlex.quote(str(folder))

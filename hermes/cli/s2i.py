"""``hermes s2i``: Source-to-Image, with the commands and options of ``s2i``."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

_MORE: Final = {
    "build": ("s2i_build", "Build an image of an application."),
    "create": ("s2i_builders", "Write a skeleton of a builder image."),
    "generate": ("s2i_builders", "Write a Dockerfile that builds any source with a builder."),
    "rebuild": ("s2i_rebuild", "Build the image of an application again."),
    "usage": ("s2i_builders", "Run the usage script of a builder."),
}


class _Commands(click.Group):
    """Imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MORE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MORE:
            return None
        found: click.Command = getattr(import_module(f"hermes.cli.{_MORE[cmd_name][0]}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_MORE.items())])


@click.group("s2i", cls=_Commands)
def command() -> None:
    """Build images of applications with builder images, as Source-to-Image does: no daemon, each step cached.

    \b
    hermes s2i build . python-builder app:latest
    hermes s2i build --incremental https://git.example.org/team/app.git python-builder app:latest
    """

"""``hermes ctr config``."""

from __future__ import annotations

from typing import Final

import click

from hermes.cli.completion import containers
from hermes.cli.containers import opened
from hermes.errors import UsageError
from hermes.image.edit import SETTINGS

_HELP: Final = {
    "annotation": ("NAME=VALUE", "An annotation of the manifest; NAME- unsets it, - all."),
    "arch": ("ARCH", "The architecture that the image is for."),
    "author": ("TEXT", "Who made it."),
    "comment": ("TEXT", "A comment on the image (Docker's format only)."),
    "cmd": ("COMMAND", "The command, or the arguments of the entry point: a line, or a JSON list."),
    "entrypoint": (
        "COMMAND",
        "What is started: a JSON list, or a line for a shell; an inherited command ends.",
    ),
    "env": ("NAME=VALUE", "A variable; NAME- unsets it, - all."),
    "healthcheck": ("COMMAND", "CMD ..., CMD-SHELL ... or NONE (Docker's format only)."),
    "healthcheck-interval": ("DURATION", "The time between two checks, as 30s."),
    "healthcheck-retries": ("N", "Failures in a row after which it is not healthy."),
    "healthcheck-start-period": ("DURATION", "How long failures do not count at first."),
    "healthcheck-timeout": ("DURATION", "How long a check may take."),
    "label": ("NAME=VALUE", "A label; NAME- unsets it, - all."),
    "onbuild": ("INSTRUCTION", "What builds on this image begin with; - unsets all (Docker's format only)."),
    "os": ("OS", "The operating system that the image is for."),
    "port": ("PORT[/tcp|udp]", "A port that is listened on; PORT- takes it out, - all."),
    "shell": ("COMMAND", "The shell of commands that are lines (Docker's format only)."),
    "stop-signal": ("SIGNAL", "The signal that asks the program to end."),
    "user": ("USER[:GROUP]", "Who runs the program."),
    "variant": ("VARIANT", "The variant of the architecture."),
    "volume": ("PATH", "A path whose content is kept outside; PATH- takes it out, - all."),
    "workdir": ("PATH", "Where the program starts."),
}
_SHORT: Final = {"annotation": "-a", "env": "-e", "label": "-l", "port": "-p", "user": "-u", "volume": "-v"}
_ALIASES: Final = {"workdir": "--workingdir"}
_UNSETS: Final = {"unsetannotation": "annotation", "unsetlabel": "label", "unsetenv": "env"}
"""Options of buildah by which a NAME is unset, and the settings that NAME- unsets it in."""
_GIVEN: Final = "hermes.config"


def _note(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> None:
    """Keep what an option says, in the order of the command line."""
    name = str(option.name).replace("_", "-")
    if name in _UNSETS:
        name, values = _UNSETS[name], tuple(f"{one}-" for one in values)
    ctx.meta.setdefault(_GIVEN, []).extend((name, value) for value in values)


def _options() -> list[click.Parameter]:
    unset = {name: ("NAME", f"Unset it, as --{of} NAME-.") for name, of in _UNSETS.items()}
    return [
        click.Option(
            [
                *([_SHORT[name]] if name in _SHORT else []),
                f"--{name}",
                *([_ALIASES[name]] if name in _ALIASES else []),
            ],
            multiple=True,
            metavar=metavar,
            help=text,
            callback=_note,
            expose_value=False,
        )
        for name, (metavar, text) in {**_HELP, **unset}.items()
    ]


@click.command("config", params=_options())
@click.option("--created-by", default="", metavar="TEXT", help="What the history says of the next layer.")
@click.option(
    "--history-comment", default="", metavar="TEXT", help="A comment in the history on the next layer."
)
@click.option("--add-history", is_flag=True, help="Say in the history what is changed.")
@click.argument("name", metavar="CONTAINER", shell_complete=containers)
@click.pass_context
def config(ctx: click.Context, created_by: str, history_comment: str, add_history: bool, name: str) -> None:
    """Change the configuration of what is going to be committed.

    \b
    hermes ctr config --env PORT=8080 --env DEBUG- --user 1000 --entrypoint '["/srv/app"]' $ctr
    hermes ctr config --label maintainer- --port 8080 --workdir /srv $ctr
    """
    changes: list[tuple[str, str]] = ctx.meta.get(_GIVEN, [])
    assert all(setting in SETTINGS for setting, _ in changes)
    if not changes and not created_by and not history_comment:
        raise UsageError("no setting to change was given", hint="see `hermes ctr config --help`")
    changes.sort(key=lambda one: one[0] != "entrypoint")  # which ends an inherited command, not a given one
    opened().configure(name, changes, created_by=created_by, comment=history_comment, add_history=add_history)

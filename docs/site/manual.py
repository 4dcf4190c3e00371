"""The manual of the command line: pages for man(1), and one page of the site, of what the commands say of themselves.

``python -m docs.site.manual FOLDER`` writes the man pages. It is a part of the documents and not of the program, which
an installed Hermes would carry for nothing: packagers put what `make docs` makes below share/man.
"""

from __future__ import annotations

import html
import inspect
import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from hermes.cli.main import hermes
from hermes.version import __version__

_GUIDE: Final = Path(__file__).parents[1] / "guide.md"
_VERBATIM: Final = "\b\n"
"""What begins a paragraph that click does not wrap."""
_ROFF: Final = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
)
_MARKDOWN: Final = re.compile(r"([\\*_\[\]#])")
_CODE: Final = re.compile(r"`([^`]*)`")
_WIDTH: Final = 76


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the words that call it, and what its help says.

    ``options`` are pairs of how an option is written and what it does, ``commands`` of a name and what it does.
    """

    words: tuple[str, ...]
    usage: str
    paragraphs: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return "-".join(self.words)

    @property
    def summary(self) -> str:
        """The first sentence, as NAME has it: without its full stop."""
        return " ".join(self.paragraphs[0].split()).partition(". ")[0].removesuffix(".")

    @property
    def runs_a_program(self) -> bool:
        return self.words[-1] == "run"


def commands(command: click.Command = hermes, words: tuple[str, ...] = ("hermes",)) -> Iterator[Command]:
    """Yield ``hermes`` and all commands below it."""
    context = click.Context(command, info_name=" ".join(words))
    below: list[tuple[str, click.Command]] = []
    if isinstance(command, click.Group):
        found = ((name, command.get_command(context, name)) for name in command.list_commands(context))
        below = [(name, one) for name, one in found if one is not None and not one.hidden]
    records = (
        one.get_help_record(context) for one in command.get_params(context) if isinstance(one, click.Option)
    )
    yield Command(
        words,
        " ".join(command.collect_usage_pieces(context)),
        tuple(inspect.cleandoc(command.help or "").split("\n\n")),
        tuple(one for one in records if one is not None),
        tuple((name, one.get_short_help_str(200)) for name, one in below),
    )
    for name, one in below:
        yield from commands(one, (*words, name))


def exit_statuses() -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the guide's table of exit statuses, and what it says below of commands that run a program."""
    section = _GUIDE.read_text().partition("\n## Exit status\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", section, re.MULTILINE)
    return tuple(rows), " ".join(section.rpartition("|\n")[2].split())


def man_page(command: Command, date: str) -> str:
    """Return a page in the macros of man(7)."""
    statuses, of_programs = exit_statuses()
    call = " ".join(command.words)
    lines = [
        f'.TH {command.name.upper()} 1 {date} "Hermes {__version__}" "Hermes"',
        ".SH NAME",
        *_filled(f"{command.name} - {command.summary}"),
        ".SH SYNOPSIS",
        f".B {_roff(call)}",
        _roff(command.usage),
        ".SH DESCRIPTION",
        *_blocks(command.paragraphs),
    ]
    if command.commands:
        lines.append(".SH COMMANDS")
        for name, text in command.commands:
            lines += [".TP", f".BR {_roff(f'{command.name}-{name}')} (1)", *_filled(text)]
    lines.append(".SH OPTIONS")
    for form, text in command.options:
        lines += [".TP", _form(form), *_filled(text)]
    lines.append(".SH EXIT STATUS")
    for status, text in statuses:
        lines += [".TP", f".B {status}", *_filled(text)]
    if command.runs_a_program:
        lines += [".PP", *_filled(of_programs)]
    lines += [
        ".SH ENVIRONMENT",
        ".TP",
        ".B HERMES_HOME",
        *_filled("Where the store is: results, layers, images, logs. By default ~/.cache/hermes."),
        ".SH SEE ALSO",
        *_see_also(command),
    ]
    return "\n".join(lines) + "\n"


def _see_also(command: Command) -> Iterator[str]:
    if len(command.words) > 1:
        yield f".BR {_roff('-'.join(command.words[:-1]))} (1)"
    else:
        yield from _filled("The documents: https://github.com/hermes-build/hermes/tree/main/docs")


def _blocks(paragraphs: tuple[str, ...]) -> Iterator[str]:
    for number, text in enumerate(paragraphs):
        if number:
            yield ".PP"
        if text.startswith(_VERBATIM):
            yield from (".RS 4", ".nf")
            yield from (_safe(_roff(line)) for line in text.removeprefix(_VERBATIM).splitlines())
            yield from (".fi", ".RE")
        else:
            yield from _filled(text)


def _filled(text: str) -> Iterator[str]:
    """Yield lines of text that are to be filled."""
    words = _roff(" ".join(text.split()))
    yield from map(_safe, textwrap.wrap(words, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _roff(text: str) -> str:
    return text.translate(_ROFF)


def _safe(line: str) -> str:
    """Keep a line of text from being read as a request."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def _form(form: str) -> str:
    """Return how an option is written: its names bold, its value in italics."""
    return re.sub(
        r"(?P<name>\\-[^ ,]*)|(?P<value>[^ ,\\][^ ]*)",
        lambda one: rf"\fB{one['name']}\fR" if one["name"] else rf"\fI{one['value']}\fR",
        _roff(form),
    )


def markdown_page() -> str:
    """Return all commands as one page."""
    parts = ["# Commands\n\nWhat `hermes COMMAND --help` and the man pages say.\n"]
    for command in commands():
        call = " ".join(command.words)
        parts.append(f"\n## {call}\n\n```text\n{call} {command.usage}\n```\n")
        for text in command.paragraphs:
            if text.startswith(_VERBATIM):
                parts.append(f"\n```sh\n{text.removeprefix(_VERBATIM)}\n```\n")
            else:
                parts.append(f"\n{_marked(text)}\n")
        for name, text in command.commands:
            anchor = f"{command.name}-{name}"
            parts.append(f"\n[`{call} {name}`](#{anchor})\n:   {_marked(text)}\n")
        for form, text in command.options:
            parts.append(f"\n`{form}`\n:   {_marked(text)}\n")
    return "".join(parts)


def _marked(text: str) -> str:
    """Return text as Markdown: code stays, and nothing else means anything."""
    pieces = _CODE.split(" ".join(text.split()))
    return "".join(
        f"`{one}`" if number % 2 else _MARKDOWN.sub(r"\\\1", html.escape(one, quote=False))
        for number, one in enumerate(pieces)
    )


def write(folder: Path) -> None:
    """Write the man page of each command; their date is that of SOURCE_DATE_EPOCH, or today."""
    folder.mkdir(parents=True, exist_ok=True)
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    for command in commands():
        (folder / f"{command.name}.1").write_text(man_page(command, date))


if __name__ == "__main__":
    write(Path(sys.argv[1]))

"""The lines of a Dockerfile -> instructions as text: directives, comments, continuations, heredocs.

See the Dockerfile reference, "Format", "Parser directives" and "Here-documents". Nothing here knows one instruction
from another, but for those whose lines may be followed by heredocs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from hermes.dockerfile.heredocs import Heredoc, announced
from hermes.dockerfile.source import SPACES, Span, Text
from hermes.errors import DockerfileError

DIRECTIVES: Final = ("syntax", "escape", "check")
_DIRECTIVE: Final = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*\Z", re.ASCII)
_WORDS: Final = re.compile("[\t\v\f\r ]+")
_HEREDOCS: Final = ("add", "copy", "run")
_ONBUILD: Final = "onbuild"


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction as it is written.

    ``keyword`` is its first word, ``flags`` those words that begin with ``--``, without their quotes, and ``rest``
    what follows. ``original`` is all of it, with the continuations joined. ``empty`` lists the empty lines between
    continuations, ``comment`` holds the comments since the instruction before, of which an empty one begins anew.
    """

    keyword: str
    flags: tuple[str, ...]
    rest: str
    original: str
    span: Span
    heredocs: tuple[Heredoc, ...] = ()
    empty: tuple[int, ...] = ()
    comment: tuple[str, ...] = ()


class ParserDirective(NamedTuple):
    """A comment at the top that says how to read the file: ``# name=value``."""

    name: str
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Lines:
    """A Dockerfile's instructions as text. ``escape`` is its escape character."""

    text: Text
    lines: tuple[Line, ...]
    escape: str
    directives: tuple[ParserDirective, ...]


def read(name: str, text: str) -> Lines:
    """Split a Dockerfile into instructions; raises `DockerfileError`."""
    return _Reader(name, text.removeprefix("\ufeff")).read()


def directive_in(comment: str) -> tuple[str, str] | None:
    """Return the name and value of a directive that a comment, without its ``#``, is written as."""
    found = _DIRECTIVE.match(comment)
    return (found[1].lower(), found[2]) if found else None


def split(line: str) -> tuple[str, tuple[str, ...], str]:
    """Return keyword, flags and the rest of an instruction."""
    keyword, *more = _WORDS.split(line.strip(SPACES), maxsplit=1)
    if not more:
        return keyword, (), ""
    flags, rest = _flags(more[0])
    return keyword, flags, rest.strip(SPACES)


class _Reader:
    def __init__(self, name: str, text: str) -> None:
        self._text = Text.of(name, text)
        self._rows = text.split("\n")
        if self._rows[-1] == "":
            self._rows.pop()
        self._place = 0
        self._directives: dict[str, ParserDirective] = {}
        self._directives_may_follow = True
        self._escape = "\\"
        self._continued = _continuation("\\")

    def read(self) -> Lines:
        for number, row in enumerate(self._rows, 1):
            if "\0" in row:
                raise self._text.error("there is a NUL byte in it", Span(number, number), "save it as UTF-8")
        if len(self._rows) == 1 and "\r" in self._rows[0].rstrip("\r"):
            raise DockerfileError(
                f"{self._text.name}: its lines end with CR alone, so that all of it is one line",
                hint="save it with LF line ends, or convert it: tr '\\r' '\\n'",
            )
        lines = tuple(self._all())
        if not lines:
            raise DockerfileError(
                f"{self._text.name}: there are no instructions in it", hint="a Dockerfile begins with FROM"
            )
        return Lines(self._text, lines, self._escape, tuple(self._directives.values()))

    def _all(self) -> Iterator[Line]:
        comment: list[str] = []
        while self._place < len(self._rows):
            row = self._rows[self._place].rstrip("\r").lstrip(SPACES)
            first = self._place + 1
            if row.startswith("#") and not self._directive(row, first):
                text = row[1:].strip(SPACES)
                comment = [*comment, text] if text else []
            elif not row.startswith("#"):
                self._directives_may_follow = False
            self._place += 1
            if row.startswith("#"):
                continue
            row, ends = self._without_continuation(row)
            if ends and not row:
                continue
            yield self._line(row, first, ends=ends, comment=tuple(comment))
            comment = []

    def _directive(self, row: str, number: int) -> bool:
        """Take a comment as a directive if it is one."""
        if not self._directives_may_follow:
            return False
        found = directive_in(row.removeprefix("#"))
        if found is None:
            self._directives_may_follow = False
            return False
        name, value = found
        span = Span(number, number)
        if name not in DIRECTIVES:
            self._directives_may_follow = False
            return False
        if name in self._directives:
            raise self._text.error(f"the directive {name!r} is given twice", span)
        if name == "escape":
            if value not in ("\\", "`"):
                raise self._text.error(f"{value!r} cannot be the escape character", span, "it is \\ or `")
            self._escape = value
            self._continued = _continuation(value)
        self._directives[name] = ParserDirective(name, value, span)
        return True

    def _without_continuation(self, row: str) -> tuple[str, bool]:
        """Return a row without the escape character at its end, and whether the instruction ends there."""
        found = self._continued.search(row)
        if found is None:
            return row, True
        return row[: found.start()] + (found[1] or ""), False

    def _line(self, row: str, first: int, *, ends: bool, comment: tuple[str, ...]) -> Line:
        pieces = [row]
        empty = []
        while not ends and self._place < len(self._rows):
            row = self._rows[self._place].rstrip("\r")
            self._place += 1
            stripped = row.lstrip(SPACES)
            if stripped.startswith("#"):
                continue
            if not stripped:
                empty.append(self._place)
                continue
            row, ends = self._without_continuation(row)
            pieces.append(row)
        original = "".join(pieces)
        keyword, flags, rest = split(original)
        heredocs = self._heredocs(keyword, rest, original, first)
        return Line(keyword, flags, rest, original, Span(first, self._place), heredocs, tuple(empty), comment)

    def _heredocs(self, keyword: str, rest: str, original: str, first: int) -> tuple[Heredoc, ...]:
        if "<<" not in original:
            return ()
        if keyword.lower() == _ONBUILD:
            keyword, _, rest = split(rest)
        from hermes.dockerfile.words import json_list

        if keyword.lower() not in _HEREDOCS or json_list(rest) is not None:
            return ()
        return tuple(self._content(one, first) for one in announced(original))

    def _content(self, heredoc: Heredoc, first: int) -> Heredoc:
        content: list[str] = []
        while self._place < len(self._rows):
            row = self._rows[self._place]
            self._place += 1
            bare = row.rstrip("\r")
            if (bare.lstrip("\t") if heredoc.chomp else bare) == heredoc.name:
                return heredoc.filled("".join(content))
            content.append(f"{row}\n")
        raise self._text.error(
            f"the heredoc {heredoc.name!r} has no end",
            Span(first, first),
            f"write {heredoc.name} alone on a line after its text",
        )


def _continuation(escape: str) -> re.Pattern[str]:
    """Match an escape character that ends a line, but not two of them."""
    one = re.escape(escape)
    return re.compile(rf"([^{one}]){one}[ \t]*\Z|\A{one}[ \t]*\Z", re.DOTALL)


def _flags(text: str) -> tuple[tuple[str, ...], str]:
    """Take the flags from the beginning of an instruction's arguments; a backslash keeps the next character."""
    flags: list[str] = []
    place = 0
    while True:
        while place < len(text) and text[place] in SPACES:
            place += 1
        if not text.startswith("--", place):
            return tuple(flags), text[place:]
        flag, place = _flag(text, place)
        if flag == "--":
            return tuple(flags), text[place:]
        flags.append(flag)


def _flag(text: str, place: int) -> tuple[str, int]:
    """Return the flag that begins at ``place``, and the place behind it."""
    found = ""
    quote = ""
    while place < len(text):
        char = text[place]
        if not quote and char in SPACES:
            break
        place += 1
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == "\\":
            found += text[place : place + 1]
            place += 1
        else:
            found += char
    return found, place

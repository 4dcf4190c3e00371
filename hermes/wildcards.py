"""Wildcards of paths as Go's ``filepath.Match`` has them, and ignore files (``.dockerignore``, ``.containerignore``).

In an ignore file ``**`` stands for any folders, ``!`` includes a path again, and the last pattern that matches a path or
a folder above it decides. See the Dockerfile reference, ".dockerignore file". It does not know where files are.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from hermes.errors import UsageError

_SPECIAL: Final = "*?[\\"

Names = Callable[[str], Iterable[str]]
"""Returns names of what is in a folder."""


class Ignored:
    """The patterns of an ignore file, and which paths they leave out."""

    def __init__(self, lines: Iterable[str], *, of: str) -> None:
        """Raises `UsageError`, naming the file ``of``, for a malformed pattern."""
        self._rows: list[tuple[bool, re.Pattern[str]]] = []
        self._takes_in = False
        for number, line in enumerate(lines, 1):
            text = line.strip().lstrip("\ufeff") if number == 1 else line.strip()
            if not text or text.startswith("#"):
                continue
            negated = text.startswith("!")
            text = text[1:].strip() if negated else text
            if not text:
                raise UsageError(f"{of}:{number}: {line.strip()!r} is not a pattern")
            pattern = posixpath.normpath(text).lstrip("/")
            if pattern in ("", "."):
                continue
            self._takes_in = self._takes_in or negated
            try:
                self._rows.append(
                    (negated, re.compile(expression(pattern, stars=True) + "(?:/.*)?", re.DOTALL))
                )
            except re.error:
                raise UsageError(f"{of}:{number}: {text!r} is not a pattern") from None

    def __bool__(self) -> bool:
        return bool(self._rows)

    def leaves_out(self, path: str) -> bool:
        """Tell whether ``path``, relative to the context, is left out."""
        out = False
        for negated, found in self._rows:
            if out == negated and found.fullmatch(path):
                out = not negated
        return out

    def leaves_out_all(self, folder: str) -> bool:
        """Tell whether nothing below a folder can be taken in again, so that it need not be looked at."""
        return not self._takes_in and self.leaves_out(folder)


def is_pattern(text: str) -> bool:
    return any(char in _SPECIAL for char in text)


def expression(pattern: str, *, stars: bool = False) -> str:
    """Return a regular expression for a pattern of Go's ``filepath.Match``; with ``stars`` ``**`` is any path.

    With ``stars`` a slash, too, is a character that ``[^...]`` matches, as in BuildKit's ignore files.
    Raises `re.error` when it is malformed.
    """
    found = ""
    place = 0
    while place < len(pattern):
        char = pattern[place]
        place += 1
        if char == "*" and stars and pattern[place : place + 1] == "*":
            place += 1
            if pattern[place : place + 1] == "/":
                place += 1
                found += "(?:.*/)?"
            else:
                found += ".*"
        elif char == "*":
            found += "[^/]*"
        elif char == "?":
            found += "[^/]"
        elif char == "[":
            group = re.match(r"\^?(?:\\.|[^\]\\])+\]", pattern[place:])
            if group is None:
                raise re.error("a bracket is not closed")
            inner = group[0][:-1]
            negated = inner.startswith("^")
            none_of = "^" if stars else "^/"
            found += f"[{none_of if negated else ''}{_members(inner[negated:])}]"
            place += group.end()
        elif char == "\\":
            if place == len(pattern):
                raise re.error("a backslash stands at the end")
            found += re.escape(pattern[place])
            place += 1
        else:
            found += re.escape(char)
    return found


def expanded(pattern: str, names: Names, folders: Names | None = None) -> list[str]:
    """Return the paths that a pattern matches, component by component, in order.

    ``names`` returns what is in a folder. With ``folders``, which returns the folders in one, ``**/`` is any
    number of them. Raises `UsageError` for a malformed pattern.
    """
    found = [""]
    parts = pattern.split("/")
    for number, part in enumerate(parts, 1):
        if part == "**" and folders is not None and number < len(parts):
            found = list(dict.fromkeys(one for folder in found for one in _with_folders(folder, folders)))
            continue
        try:
            wanted = re.compile(expression(part), re.DOTALL)
        except re.error as error:
            raise UsageError(f"{pattern!r} is not a pattern: {error}") from None
        found = [
            f"{folder}/{name}" if folder else name
            for folder in found
            for name in sorted(names(folder))
            if wanted.fullmatch(name)
        ]
    return found


def _with_folders(folder: str, folders: Names) -> Iterator[str]:
    """Yield a folder and all folders below it."""
    pending = [folder]
    while pending:
        folder = pending.pop()
        yield folder
        pending += [f"{folder}/{name}" if folder else name for name in sorted(folders(folder), reverse=True)]


def _members(text: str) -> str:
    """Return the inside of a bracket, with what Python would read otherwise escaped."""
    return re.sub(r"\\(.)|([\[\]&~|^])", lambda one: re.escape(one[1] or one[2]), text)

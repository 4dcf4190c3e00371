"""The patterns of ``${name#pattern}``, ``${name%pattern}`` and ``${name/pattern/text}``, in time linear in the value.

``*`` is any text and ``?`` any character, both within a line; a backslash takes away their meaning. What matches is
what BuildKit's regular expressions match, which prefer as Perl's do. In Python's each star would be tried again for each
place of the stars before it. Where a star ends need not be found twice: the next piece is taken where it is first, which
leaves the most to those after it, and only the last is taken where it is last, if the pattern is greedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hermes.errors import DockerfileError


class ShellPattern:
    """A pattern; ``greedy`` where a star is as much as it can be. Raises `DockerfileError` for a malformed one."""

    def __init__(self, pattern: str, *, greedy: bool) -> None:
        first, *rest = _pieces(pattern)
        self._first = re.compile(first)
        self._whole = re.compile(first + _after_stars(rest, greedy=greedy))
        self._has_stars = bool(rest)

    def removed(self, value: str) -> str:
        """Return a value without what matches at its beginning."""
        found = self._whole.match(value)
        return value[found.end() :] if found else value

    def replaced(self, value: str, replacement: Callable[[], str], *, everywhere: bool) -> str:
        """Return a value with ``replacement`` in place of the first match, or of every one."""
        made: list[str] = []
        kept, place, last = 0, 0, -1
        while place <= len(value):
            found = self._search(value, place)
            if found is None:
                break
            start, end = found
            if end > last or start == 0:  # nothing, where the last match ends, is not a match in Go
                made += (value[kept:start], replacement())
                kept = last = end
                if not everywhere:
                    break
            place = max(end, place + 1)
        return "".join((*made, value[kept:]))

    def _search(self, value: str, place: int) -> tuple[int, int] | None:
        """Return where the pattern matches first, from ``place`` on."""
        while begun := self._first.search(value, place):
            start = begun.start()
            if found := self._whole.match(value, start):
                return start, found.end()
            line_end = value.find(
                "\n", start
            )  # what a star does not find from here it finds from nowhere later in the line
            if not self._has_stars or line_end < 0:
                return None
            place = line_end + 1
        return None


def _after_stars(pieces: list[str], *, greedy: bool) -> str:
    """Return an expression for pieces with a star before each; an atomic group is tried once."""
    found = "".join(f"(?>.*?{one})" for one in pieces[:-1] if one)
    return found + "".join(f"(?>.*{'' if greedy else '?'}{one})" for one in pieces[-1:])


def _pieces(pattern: str) -> list[str]:
    """Return expressions for what stands between the stars of a pattern."""
    found = [""]
    place = 0
    while place < len(pattern):
        char = pattern[place]
        place += 1
        if char == "*":
            found.append("")
        elif char == "?":
            found[-1] += "."
        elif char == "\\":
            following = pattern[place : place + 1]
            if following and following in "}/":
                continue
            if not following or following not in "*?\\":
                raise DockerfileError(f"invalid escape \\{following} in the pattern {pattern}")
            found[-1] += f"\\{following}"
            place += 1
        else:
            found[-1] += re.escape(char)
    return found

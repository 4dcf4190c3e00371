"""Words of a Dockerfile: variables, quotes and the escape character, as BuildKit's shell lexer treats them.

See the Dockerfile reference, "Environment replacement". A lexer knows no instruction; its caller says which
variables there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hermes.dockerfile.shell_patterns import ShellPattern
from hermes.dockerfile.source import SPACES
from hermes.errors import DockerfileError

_SPECIAL: Final = "@*#?-$!0"
_END: Final = ""
_SPACE: Final = re.compile(f"[{re.escape(SPACES)}]")
_MOST_GROWTH: Final = 1 << 20
"""How much longer a text may get; no program can be given a variable of more than 128 KiB (``MAX_ARG_STRLEN`` in Linux)."""


class Lexer:
    """Expands words. ``escape`` is the Dockerfile's escape character.

    ``raw_quotes`` and ``raw_escapes`` leave quotes and escape characters in, ``plain_quotes`` takes quotes for
    characters like others, ``keep_unset`` leaves variables that are not set as they are written. ``unset`` collects
    the names of those that are not there, whatever the word says instead, and ``found`` of those that are.
    """

    def __init__(
        self,
        escape: str,
        *,
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        plain_quotes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        self.escape = escape
        self.raw_quotes = raw_quotes
        self.raw_escapes = raw_escapes
        self.plain_quotes = plain_quotes
        self.keep_unset = keep_unset
        self.unset: set[str] = set()
        self.found: set[str] = set()

    def word(self, text: str, variables: Mapping[str, str]) -> str:
        """Return one word; raises `DockerfileError`, without a place, where ``text`` is malformed."""
        return self._both(text, variables)[0]

    def words(self, text: str, variables: Mapping[str, str]) -> list[str]:
        """Return words, split at white space that is not quoted, also where that comes from a variable."""
        return self._both(text, variables)[1]

    def _both(self, text: str, variables: Mapping[str, str]) -> tuple[str, list[str]]:
        try:
            return _Scan(self, text, variables).until(_END, raw=self.raw_escapes)
        except RecursionError:
            raise DockerfileError("substitutions are nested too deeply") from None


class _Words:
    def __init__(self) -> None:
        self._word: list[str] = []
        self._found: list[str] = []

    def add(self, text: str) -> None:
        first, *more = _SPACE.split(text)
        self.add_whole(first)
        for piece in more:
            self._end()
            self.add_whole(piece)

    def add_whole(self, text: str) -> None:
        if text:
            self._word.append(text)

    def all(self) -> list[str]:
        self._end()
        return self._found

    def _end(self) -> None:
        if self._word:
            self._found.append("".join(self._word))
            self._word.clear()


class _Scan:
    """One pass over a text."""

    def __init__(self, lexer: Lexer, text: str, variables: Mapping[str, str]) -> None:
        self._lexer = lexer
        self._text = text
        self._variables = variables
        self._place = 0
        self._grown = 0
        self._raw = lexer.raw_escapes

    def until(self, stop: str, *, raw: bool) -> tuple[str, list[str]]:
        """Return what stands before ``stop`` (nothing: before the end), whole and as words."""
        before, self._raw = self._raw, raw
        try:
            return self._until(stop)
        finally:
            self._raw = before

    def _until(self, stop: str) -> tuple[str, list[str]]:
        lexer = self._lexer
        result = ""
        words = _Words()
        while char := self._peek():
            if stop and char == stop:
                self._place += 1
                return result, words.all()
            if char == "$":
                value = self._dollar()
                words.add(value)
            elif char in "'\"" and not lexer.plain_quotes:
                value = self._single_quoted() if char == "'" else self._double_quoted()
                words.add_whole(value)
            elif char == lexer.escape:
                self._place += 1
                value = char if self._raw else ""
                value += self._next()
                words.add_whole(value)
            else:
                value = self._next()
                words.add(value)
            result += value
        if stop:
            raise DockerfileError(f"there is no {stop} where one should end the substitution")
        return result, words.all()

    def _peek(self) -> str:
        return self._text[self._place : self._place + 1]

    def _next(self) -> str:
        char = self._peek()
        self._place += 1
        return char

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._place + 1)
        if end < 0:
            raise DockerfileError("a single quote has no end")
        quoted = self._text[self._place : end + 1]
        self._place = end + 1
        return quoted if self._lexer.raw_quotes else quoted[1:-1]

    def _double_quoted(self) -> str:
        lexer = self._lexer
        result = self._next() if lexer.raw_quotes else self._next()[1:]
        while True:
            char = self._peek()
            if not char:
                raise DockerfileError("a double quote has no end")
            if char == "$":
                result += self._dollar()
                continue
            self._place += 1
            if char == '"':
                return result + (char if lexer.raw_quotes else "")
            if char == lexer.escape:
                result += char if self._raw else ""
                if not self._peek():
                    continue
                if self._peek() in ('"', "$", lexer.escape):
                    char = self._next()
            result += char

    def _dollar(self) -> str:
        value = self._expanded()
        self._grow(len(value))
        return value

    def _grow(self, count: int) -> None:
        """Count characters that come from variables; raises `DockerfileError` when they are too many."""
        self._grown += count
        if self._grown > _MOST_GROWTH:
            raise DockerfileError("the values of its variables have more than 1 MiB together")

    def _expanded(self) -> str:
        self._place += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._value(name)
            return value if value is not None else f"${name}" if self._lexer.keep_unset else ""
        self._place += 1
        if not self._peek():
            raise DockerfileError("a substitution has no closing }")
        if self._peek() in "{}:":
            raise DockerfileError("a substitution names no variable")
        return self._substitution(self._name())

    def _substitution(self, name: str) -> str:
        modifier = self._next()
        if modifier == "}":
            value = self._value(name)
            return value if value is not None else f"${{{name}}}" if self._lexer.keep_unset else ""
        if modifier == "/":
            return self._replacement(name)
        empty_is_unset = modifier == ":"
        kind = self._next() if empty_is_unset else modifier
        shown = f"{modifier}{kind}" if empty_is_unset else modifier
        if kind not in tuple("+-?#%") and not empty_is_unset:
            raise DockerfileError(f"there is no substitution ${{{name}{shown}...}}")
        word = self._until_brace(raw=kind in tuple("#%"))
        value = self._value(name)
        if value is None and self._lexer.keep_unset:
            return f"${{{name}{shown}{word}}}"
        return _substituted(name, value, kind, word, shown, empty_is_unset=empty_is_unset)

    def _replacement(self, name: str) -> str:
        everywhere = self._peek() == "/"
        self._place += everywhere
        try:
            pattern = self.until("/", raw=True)[0]
        except DockerfileError:
            if self._peek():
                raise
            raise DockerfileError(f"the substitution ${{{name}/...}} has no second /") from None
        replacement = self._until_brace(raw=True)
        value = self._value(name)
        if value is None and self._lexer.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"

        def put() -> str:
            self._grow(len(replacement))
            return replacement

        return ShellPattern(pattern, greedy=True).replaced(value or "", put, everywhere=everywhere)

    def _until_brace(self, *, raw: bool) -> str:
        try:
            return self.until("}", raw=raw)[0]
        except DockerfileError:
            if self._peek():
                raise
            raise DockerfileError("a substitution has no closing }") from None

    def _name(self) -> str:
        start = self._place
        char = self._peek()
        if char.isdecimal():
            while self._peek().isdecimal():
                self._place += 1
        elif char and char in _SPECIAL:
            self._place += 1
        else:
            while (char := self._peek()) and (char.isalpha() or char.isdecimal() or char == "_"):
                self._place += 1
        return self._text[start : self._place]

    def _value(self, name: str) -> str | None:
        value = self._variables.get(name)
        (self._lexer.unset if value is None else self._lexer.found).add(name)
        return value


def _substituted(
    name: str, value: str | None, kind: str, word: str, shown: str, *, empty_is_unset: bool
) -> str:
    missing = value is None or (empty_is_unset and not value)
    if kind == "-":
        return word if missing else value or ""
    if kind == "+":
        return "" if missing else word
    if kind == "?":
        if missing:
            problem = "is not set" if value is None else "is empty"
            raise DockerfileError(f"{name}: {word or problem}")
        return value or ""
    if kind in ("#", "%"):
        greedy = word.startswith(kind)
        pattern = word[1:] if greedy else word
        return _without(value or "", pattern, greedy=greedy, at_end=kind == "%")
    raise DockerfileError(f"there is no substitution ${{{name}{shown}...}}")


def _without(value: str, pattern: str, *, greedy: bool, at_end: bool) -> str:
    """Return a value without what a pattern matches at its beginning or its end."""
    if at_end:
        pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
        return _without(value[::-1], "".join(reversed(pieces)), greedy=greedy, at_end=False)[::-1]
    return ShellPattern(pattern, greedy=greedy).removed(value)

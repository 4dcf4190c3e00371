"""Variables of compose files: how values refer to them, and the files that set them.

See the Compose Specification, "Interpolation", and "Environment file" of its "Services".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

_NAME: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR: Final = re.compile(r":?[-?+]")
_LINE_NAME: Final = re.compile(r"(?:export[ \t]+)?([\w.\-]+)[ \t]*")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$"}


class VariableError(Exception):
    """A reference to a variable is malformed, or a variable that has to be set is not; ``hint`` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def interpolated(text: str, variables: Mapping[str, str], unset: Callable[[str], None]) -> str:
    """Return ``text`` with ``$NAME``, ``${NAME}`` and ``${NAME:-VALUE}`` and the like replaced.

    ``$$`` is a dollar. ``unset`` is told each name that has neither a value nor a default. Raises `VariableError`.
    """
    return _Reader(text, variables, unset).all()


class _Reader:
    def __init__(self, text: str, variables: Mapping[str, str], unset: Callable[[str], None]) -> None:
        self._text = text
        self._variables = variables
        self._unset = unset
        self._at = 0

    def all(self) -> str:
        return self._until("")

    def _until(self, end: str) -> str:
        """Return what comes before ``end``, which is taken, or before the end of the text; raises `VariableError`."""
        found: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == end:
                self._at += 1
                return "".join(found)
            self._at += 1
            found.append(self._reference() if character == "$" else character)
        if end:
            raise VariableError(f"{self._text!r}: a ${{ has no }}", "close it, or write $$ for a dollar")
        return "".join(found)

    def _reference(self) -> str:
        if self._text.startswith("$", self._at):
            self._at += 1
            return "$"
        if self._text.startswith("{", self._at):
            self._at += 1
            return self._braced()
        if name := _NAME.match(self._text, self._at):
            self._at = name.end()
            return self._value(name.group())
        return "$"

    def _braced(self) -> str:
        name = _NAME.match(self._text, self._at)
        if name is None:
            raise VariableError(
                f"{self._text!r}: after ${{ comes the name of a variable", "write $$ for a dollar"
            )
        self._at = name.end()
        if self._text.startswith("}", self._at):
            self._at += 1
            return self._value(name.group())
        operator = _OPERATOR.match(self._text, self._at)
        if operator is None:
            raise VariableError(
                f"{self._text!r}: after ${{{name.group()} comes }}, :-, -, :?, ?, :+ or +",
                "other forms of the shell mean nothing in a compose file",
            )
        self._at = operator.end()
        return self._chosen(name.group(), operator.group())

    def _chosen(self, name: str, operator: str) -> str:
        value = self._variables.get(name)
        is_there = bool(value) if operator.startswith(":") else value is not None
        kind = operator[-1]
        said, self._unset = self._unset, self._unset if is_there is (kind == "+") else lambda _: None
        rest = self._until("}")
        self._unset = said
        if kind == "+":
            return rest if is_there else ""
        if is_there:
            return value or ""
        if kind == "?":
            raise VariableError(
                f"the variable {name} is {'empty' if value == '' else 'not set'}"
                + (f": {rest}" if rest else ""),
                f"set it: {name}=VALUE hermes ..., or in .env",
            )
        return rest

    def _value(self, name: str) -> str:
        value = self._variables.get(name)
        if value is None:
            self._unset(name)
            return ""
        return value


def parse_env_file(text: str, outside: Mapping[str, str], unset: Callable[[str], None]) -> dict[str, str]:
    """Return what the lines of an environment file set.

    Values may refer to variables of ``outside``, which count first, and of the lines before. A name without ``=`` takes
    its value from ``outside``. Raises `VariableError` with the number of the line in the message.
    """
    return _Lines(text, outside, unset).parsed()


class _Lines:
    def __init__(self, text: str, outside: Mapping[str, str], unset: Callable[[str], None]) -> None:
        self._text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self._outside = outside
        self._unset = unset
        self._found: dict[str, str] = {}
        self._at = 0

    def parsed(self) -> dict[str, str]:
        while self._at < len(self._text):
            end = self._line_end(self._at)
            line = self._text[self._at : end].strip()
            if line and not line.startswith("#"):
                self._assignment(end)
            else:
                self._at = end + 1
        return self._found

    def _line_end(self, start: int) -> int:
        end = self._text.find("\n", start)
        return len(self._text) if end < 0 else end

    def _error(self, message: str) -> VariableError:
        line = self._text.count("\n", 0, min(self._at, len(self._text))) + 1
        return VariableError(f"line {line}: {message}", "write NAME=VALUE")

    def _assignment(self, end: int) -> None:
        start = self._at + len(self._text[self._at : end]) - len(self._text[self._at : end].lstrip())
        name = _LINE_NAME.match(self._text, start)
        if name is None:
            raise self._error(f"expected NAME=VALUE, got {self._text[start:end].strip()!r}")
        rest = name.end()
        if rest >= end:
            if name.group(1) in self._outside:
                self._found[name.group(1)] = self._outside[name.group(1)]
            self._at = end + 1
            return
        if self._text[rest] not in "=:":
            raise self._error(f"expected NAME=VALUE, got {self._text[start:end].strip()!r}")
        self._at = rest + 1
        while self._at < end and self._text[self._at] in " \t":
            self._at += 1
        self._found[name.group(1)] = self._value(end)

    def _value(self, end: int) -> str:
        quote = self._text[self._at : self._at + 1]
        if quote in ("'", '"') and self._at < end:
            raw = self._quoted(quote)
            return raw if quote == "'" else self._expanded(raw)
        raw = self._text[self._at : end]
        self._at = end + 1
        comment = re.search(r"[ \t]#", raw)
        return self._expanded((raw[: comment.start()] if comment else raw).strip())

    def _quoted(self, quote: str) -> str:
        """Return what is between quotes, which may have several lines, and go to the next line."""
        start = self._at
        self._at += 1
        found: list[str] = []
        while self._at < len(self._text) and self._text[self._at] != quote:
            character = self._text[self._at]
            following = self._text[self._at + 1 : self._at + 2]
            if character == "\\" and quote == '"' and following in _ESCAPES:
                found.append("$$" if following == "$" else _ESCAPES[following])
                self._at += 1
            elif character == "\\" and following == quote:
                found.append(quote)
                self._at += 1
            else:
                found.append(character)
            self._at += 1
        if self._at >= len(self._text):
            self._at = start
            raise self._error(f"a {quote} is not closed")
        end = self._line_end(self._at)
        trailing = self._text[self._at + 1 : end].strip()
        if trailing and not trailing.startswith("#"):
            raise self._error(f"unexpected {trailing!r} after the closing {quote}")
        self._at = end + 1
        return "".join(found)

    def _expanded(self, text: str) -> str:
        try:
            return interpolated(text, {**self._found, **self._outside}, self._unset)
        except VariableError as error:
            raise self._error(error.message) from None

"""What a file may contain: a whitelist of syntax, and every name defined before anything runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hermes.dsl.dialect.names import Names
from hermes.dsl.dialect.problems import Problems
from hermes.dsl.dialect.syntax import LoadStatement, Syntax
from hermes.errors import BuildFileError, SourceLocation

_LONGEST_SOURCE: Final = 4 << 20
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be compiled: its tree, what it loads, and its text."""

    file: str
    tree: ast.Module
    loads: tuple[LoadStatement, ...]
    lines: Sequence[str]


def check(
    source: str, file: str, builtins: Collection[str], elsewhere: Mapping[str, str] | None = None
) -> Checked:
    """Parse and check a file whose predefined names are ``builtins``.

    ``elsewhere`` maps names that other tools have to those that are meant. Raises `BuildFileError`, with all that is
    wrong. Names are looked at only where the syntax is right: what is refused may define some.
    """
    if len(source) > _LONGEST_SOURCE:
        raise BuildFileError(
            f"the file has more than {_LONGEST_SOURCE >> 20} MiB", location=SourceLocation(file)
        )
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    lines = source.split("\n")
    tree = _parse(source, file, lines)
    problems = Problems(file, lines)
    syntax = Syntax(problems)
    syntax.module(tree)
    if not problems.errors:
        Names(problems, builtins, elsewhere or {}).module(tree)
    problems.raise_all()
    return Checked(file, tree, tuple(syntax.loads), lines)


def _parse(source: str, file: str, lines: Sequence[str]) -> ast.Module:
    if "\0" in source:
        raise BuildFileError("the file holds a NUL byte", location=SourceLocation(file))
    if "\t" in source:
        for number, line in enumerate(lines, 1):
            if line[: len(line) - len(line.lstrip())].count("\t"):
                location = SourceLocation(file, number, 1, line)
                raise BuildFileError("a tab in the indentation", location=location, hint="indent with spaces")
    try:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)
            warnings.simplefilter("error", DeprecationWarning)
            return ast.parse(source, file)
    except SyntaxError as error:
        at = error.lineno or 0
        text = lines[at - 1] if 0 < at <= len(lines) else ""
        location = SourceLocation(file, at, min(error.offset or 1, len(text) + 1), text)
        unclosed = re.match(r"'(.)' was never closed", error.msg)
        hint = f"close it with '{_CLOSING[unclosed[1]]}'" if unclosed else None
        raise BuildFileError(f"syntax error: {error.msg}", location=location, hint=hint) from None
    except (ValueError, RecursionError, MemoryError) as error:
        problem = str(error) or "it is nested too deeply"  # MemoryError: for the parser's stack, too
        raise BuildFileError(f"syntax error: {problem}", location=SourceLocation(file)) from None

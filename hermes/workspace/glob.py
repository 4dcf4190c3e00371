"""Glob patterns, as BUILD files write them: ``*`` and ``?`` within a name, ``**`` for any folders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_SPECIAL: Final = {"*": "[^/]*", "?": "[^/]"}


def matcher(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return an expression that matches a whole path when one of ``patterns`` does.

    Raises `ValueError` for a pattern that is malformed.
    """
    return _compiled(tuple(patterns))


@lru_cache(maxsize=1024)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(_expression(pattern) for pattern in patterns)
    return re.compile(f"(?:{alternatives})\\Z" if patterns else r"(?!)", re.DOTALL)


def _expression(pattern: str) -> str:
    if not pattern or pattern.startswith("/") or pattern.endswith("/"):
        raise ValueError(f"{pattern!r}: a pattern is a relative path to files")
    parts = pattern.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{pattern!r}: a pattern has no empty, '.' or '..' parts")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError(f"{pattern!r}: '**' must stand alone between slashes")
    expression = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            expression += ".*" if last else "(?:.*/)?"
        else:
            expression += "".join(_SPECIAL.get(char, re.escape(char)) for char in part)
            expression += "" if last else "/"
    return expression

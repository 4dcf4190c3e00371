"""Glob patterns, as BUILD files write them: ``*`` and ``?`` within a name, ``**`` for any folders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


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
    begins, *groups = _between_stars(parts)
    expression = "".join(f"{_name(part)}/" for part in begins)
    for number, group in enumerate(groups):
        if number == len(groups) - 1:
            expression += "(?:.*/)?" + "/".join(map(_name, group)) if group else ".*"
        else:
            expression += f"(?>(?:[^/]*/)*?{''.join(f'{_name(part)}/' for part in group)})"
    return expression if groups else expression[:-1]


def _between_stars(parts: list[str]) -> list[list[str]]:
    """Return the runs of parts between ``**``."""
    groups: list[list[str]] = [[]]
    for number, part in enumerate(parts):
        if part != "**":
            groups[-1].append(part)
        elif number == 0 or parts[number - 1] != "**":
            groups.append([])
    return groups


def _name(part: str) -> str:
    """Return an expression for one part of a path.

    What stands between two ``*`` is matched where it first comes and never again elsewhere, as is what stands between
    two ``**``: a later place could match no more than the first. So nothing is tried more often than a path is long.
    """
    first, *texts = [
        "".join("[^/]" if char == "?" else re.escape(char) for char in text) for text in part.split("*")
    ]
    if not texts:
        return first
    between = "".join(f"(?>[^/]*?{text})" for text in texts[:-1] if text)
    return f"{first}{between}[^/]*{texts[-1]}(?![^/])"

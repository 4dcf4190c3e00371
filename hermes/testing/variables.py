"""``$NAME`` in the texts of container-structure-test, as ``os.Expand`` of Go replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SPECIAL: Final = frozenset("*#$@!?-0123456789")


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Return a text with ``$NAME`` and ``${NAME}`` replaced by values; a name without one by nothing.

    ``${`` without an end and ``${}`` become nothing; a dollar sign that no name follows stays.
    """
    parts = []
    at = start = 0
    while at < len(text):
        if text[at] == "$" and at + 1 < len(text):
            parts.append(text[start:at])
            name, width = _name(text[at + 1 :])
            if name:
                parts.append(values.get(name, ""))
            elif not width:
                parts.append("$")
            at += width
            start = at + 1
        at += 1
    parts.append(text[start:])
    return "".join(parts)


def _name(text: str) -> tuple[str, int]:
    """Return the name that a text begins with, and of how many characters it is, with braces."""
    if text[0] == "{":
        if len(text) > 2 and text[1] in _SPECIAL and text[2] == "}":
            return text[1], 3
        for number, one in enumerate(text[1:], 1):
            if one == "}":
                return ("", 2) if number == 1 else (text[1:number], number + 1)
        return "", 1
    if text[0] in _SPECIAL:
        return text[0], 1
    width = 0
    while width < len(text) and (text[width] == "_" or (text[width].isascii() and text[width].isalnum())):
        width += 1
    return text[:width], width

"""What follows an instruction's flags -> values, in the ways that instructions are written.

See the Dockerfile reference, "Shell and exec form", "ENV", "ARG" and "LABEL".
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from hermes.dockerfile.source import SPACES
from hermes.errors import DockerfileError

_SPACE: Final = re.compile("[\t\v\f\r ]+")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""What JSON can write and UTF-8 cannot; the others stand for bytes of the file that are not UTF-8."""


class Pair(NamedTuple):
    """A name and a value, both still with their quotes. ``equals``: an ``=`` stood between them."""

    name: str
    value: str
    equals: bool = True


def json_list(text: str) -> list[str] | None:
    """Return the strings of an exec form, or None when ``text`` is not a JSON list and nothing else.

    Raises `DockerfileError` for a list that holds something else than strings.
    """
    stripped = text.lstrip(SPACES)
    if not stripped.startswith("["):
        return None
    try:
        found = json.JSONDecoder(strict=True, parse_constant=_no_constant).decode(stripped)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(one, str) for one in found):
        raise DockerfileError(
            "a list in JSON holds something else than strings", hint='write ["program", "argument"]'
        )
    return [_LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", one) for one in found]


def _no_constant(name: str) -> None:
    raise ValueError(name)


def delimited(text: str) -> list[str]:
    """Return words that white space separates, without regard to quotes."""
    return _SPACE.split(text) if text else []


def first(text: str) -> tuple[str, str]:
    """Return the first word, without regard to quotes, and what follows it."""
    word, *rest = _SPACE.split(text, maxsplit=1)
    return word, rest[0] if rest else ""


def quoted_words(text: str, escape: str) -> list[str]:
    """Return words with their quotes; white space in quotes, or after the escape character, is part of one."""
    words: list[str] = []
    place = 0
    while True:
        while place < len(text) and text[place] in SPACES:
            place += 1
        if place == len(text):
            return words
        word, place = _quoted_word(text, place, escape)
        if word:
            words.append(word)


def _quoted_word(text: str, place: int, escape: str) -> tuple[str, int]:
    word = ""
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
        elif char == escape and quote != "'":
            if place == len(text):
                break
            word += char
            char = text[place]
            place += 1
        word += char
    return word, place


def pairs(text: str, escape: str, keyword: str) -> list[Pair]:
    """Return what ENV or LABEL sets: ``NAME=VALUE ...``, or the old ``NAME VALUE``; raises `DockerfileError`."""
    words = quoted_words(text, escape)
    if not words:
        return []
    if "=" not in words[0]:
        parts = _SPACE.split(text, maxsplit=1)
        if len(parts) < 2:
            raise DockerfileError(f"{keyword} has a name and no value", hint=f"write {keyword} NAME=VALUE")
        return [Pair(parts[0], parts[1], equals=False)]
    found = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise DockerfileError(
                f"{word!r} has no =", hint=f"write {keyword} NAME=VALUE, with quotes where a value has spaces"
            )
        found.append(Pair(name, value))
    return found

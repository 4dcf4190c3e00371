"""The ways in which somebody may have written a secret down, as bytes to look for.

Compressed or encrypted, or with other text inside it, a secret is not recognized.
"""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterator
from typing import Final, NamedTuple

from hermes.errors import SecretError

SHORTEST_SECRET: Final = 6
"""In base64 a shorter one leaves too few characters that are its own."""

LONGEST_SECRET: Final = 500 << 10
SHORTEST_LINE: Final = 8
_MOST_ENCODED_LINES: Final = 64
_MOST_COMPARED: Final = 2000
_FRAGMENT: Final = 32
_STRUCTURE: Final = re.compile(
    rb"-----(BEGIN|END) [^-]*-----|<\?.*\?>|</?[\w:.-]+\s*/?>|\[[\w .:-]*\]|\"?[\w.-]+\"?\s*[:=]\s*[\[{]?|[\W_]*"
)
"""Lines that a file has because of its format, and that are in other files of the format as well."""


class Form(NamedTuple):
    """One way to write a secret: ``part`` says which part of it (nothing: all), ``data`` is the result."""

    id: str
    part: str
    data: bytes


def check_value(name: str, value: bytes) -> None:
    """Raise `SecretError` for a value that cannot be kept secret, because it cannot be recognized."""
    if not value.strip():
        raise SecretError(
            f"the secret {name!r} is empty", hint="check the file or variable that it comes from"
        )
    if len(value.strip()) < SHORTEST_SECRET:
        raise SecretError(
            f"the secret {name!r} is too short to be told from other text",
            hint=f"a secret has at least {SHORTEST_SECRET} bytes, or nobody could see that it got out",
        )
    if len(value) > LONGEST_SECRET:
        raise SecretError(f"the secret {name!r} has more than {LONGEST_SECRET >> 10} KiB")


def forms(name: str, value: bytes) -> tuple[Form, ...]:
    """Return what to look for: the value and each line of it, plain and encoded.

    White space around them does not count. Lines have at least `SHORTEST_LINE` bytes, and say more than what
    kind of file it is.
    """
    whole = value.strip()
    found: dict[bytes, str] = {}
    lines = {line: number for number, line in _numbered(value) if line != whole}
    for line, number in lines.items():
        found[line] = f"line {number} of "
    if len(lines) <= _MOST_ENCODED_LINES:
        for line, number in lines.items():
            for data in _encoded(line):
                found.setdefault(data, f"line {number} of ")
    for data in (whole, *_encoded(whole)):
        found.setdefault(data, "")
    return tuple(Form(name, part, data) for data, part in _shortest(found).items())


def _numbered(value: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(value.splitlines(), 1):
        stripped = line.strip()
        if len(stripped) >= SHORTEST_LINE and not _STRUCTURE.fullmatch(stripped):
            yield number, stripped


def _encoded(value: bytes) -> Iterator[bytes]:
    yield value.hex().encode()
    yield value.hex().upper().encode()
    for safe in ("", "/"):
        quoted = urllib.parse.quote_from_bytes(value, safe=safe).encode()
        for one in (quoted, quoted.replace(b"%20", b"+")):
            yield one
            yield re.sub(rb"%[0-9A-F]{2}", lambda match: match[0].lower(), one)
    for skipped in range(3):
        for one in _base64(value, skipped):
            yield one
            yield one.translate(bytes.maketrans(b"+/", b"-_"))


def _base64(value: bytes, skipped: int) -> Iterator[bytes]:
    """Yield what base64 surely has of a value that begins ``skipped`` bytes into a group of three.

    Encoders break lines (at 64 characters or more), so of a long value two pieces stand for the whole: one of
    them is on one line.
    """
    whole = base64.b64encode(b"\0" * skipped + value).rstrip(b"=")
    first = (skipped * 8 + 5) // 6
    end = (skipped + len(value)) * 8 // 6
    surely = whole[first:end]
    if len(surely) <= 2 * _FRAGMENT:
        yield surely
    else:
        yield surely[:_FRAGMENT]
        yield surely[_FRAGMENT : 2 * _FRAGMENT]


def _shortest(found: dict[bytes, str]) -> dict[bytes, str]:
    """Leave out what holds another, unless there are so many that this would take longer than the search."""
    if len(found) > _MOST_COMPARED:
        return found
    kept: dict[bytes, str] = {}
    for data in sorted(found, key=len):
        if not any(one in data for one in kept):
            kept[data] = found[data]
    return kept

"""The bounds of what a mount says: ids, modes and sizes."""

from __future__ import annotations

import re
from typing import Final

from hermes.errors import UsageError
from hermes.layer.entry import LARGEST_ID

LARGEST_MODE: Final = 0o7777
LARGEST_SIZE: Final = (1 << 63) - 1

_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
_UNITS: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}


def parse_size(text: str) -> int:
    """Return a number of bytes, from one with a unit that is a power of 1,024; raises `UsageError`."""
    match = _SIZE.fullmatch(text)
    size = int(float(match[1]) * (1 << _UNITS[(match[2] or "").lower()])) if match and len(text) < 40 else -1
    if match and "." not in match[1] and size >= 0:
        size = int(match[1]) << _UNITS[(match[2] or "").lower()]
    if not 0 <= size <= LARGEST_SIZE:
        raise UsageError(f"invalid size {text!r}", hint="write it as 64m: a number and one of k, m, g, t")
    return size


def parse_mode(text: str) -> int:
    """Return permissions; raises `UsageError`."""
    if not re.fullmatch("[0-7]{1,20}", text) or int(text, 8) > LARGEST_MODE:
        raise UsageError(
            f"mode cannot be {text!r}", hint="write it in octal digits, as 0640; the largest is 7777"
        )
    return int(text, 8)


def parse_id(name: str, text: str) -> int:
    """Return an id of a user or group; ``name`` is the property's. Raises `UsageError`."""
    if not re.fullmatch("[0-9]{1,20}", text) or int(text) > LARGEST_ID:
        raise UsageError(f"{name} cannot be {text!r}", hint=f"an id is a number from 0 to {LARGEST_ID}")
    return int(text)

"""Debian versions and their order. See deb-version(7)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias

Operator: TypeAlias = Literal["<<", "<=", "=", ">=", ">>"]
NumberKey: TypeAlias = tuple[int, str]
"""How many digits a number has without leading zeros, and these: numbers may have thousands."""
PartKey: TypeAlias = tuple[tuple[int, ...] | NumberKey, ...]
VersionKey: TypeAlias = tuple[NumberKey, PartKey, PartKey]

_RUN: Final = re.compile(r"([^0-9]*)([0-9]*)")
_END: Final = (0,)


@lru_cache(maxsize=1 << 14)
def version_key(version: str) -> VersionKey:
    """Return a value that orders as ``version`` does: epoch, upstream version, Debian revision."""
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    return _number(epoch), _part_key(upstream), _part_key(revision)


def _part_key(part: str) -> PartKey:
    """Return text and numbers in turn, and at the end the text that ends before any other but a tilde."""
    key: list[tuple[int, ...] | NumberKey] = []
    for text, digits in _RUN.findall(part)[:-1] or [("", "")]:
        key += ((*map(_weight, text), *_END), _number(digits))
    return (*key, _END)


def _number(digits: str) -> NumberKey:
    digits = digits.lstrip("0")
    return len(digits), digits


def _weight(character: str) -> int:
    """Return what one character weighs: a tilde less than the end, letters less than all others."""
    if character == "~":
        return -1
    return ord(character) if character.isascii() and character.isalpha() else ord(character) + 0x100


def compare_versions(one: str, other: str) -> int:
    """Return -1, 0 or 1, as ``one`` is earlier than, equal to or later than ``other``."""
    left, right = version_key(one), version_key(other)
    return (left > right) - (left < right)


def satisfies(version: str, operator: Operator, wanted: str) -> bool:
    """Tell whether ``version operator wanted`` is true."""
    order = compare_versions(version, wanted)
    match operator:
        case "<<":
            return order < 0
        case "<=":
            return order <= 0
        case "=":
            return order == 0
        case ">=":
            return order >= 0
        case ">>":
            return order > 0

"""The time of everything that is built: ``SOURCE_DATE_EPOCH``; see reproducible-builds.org/specs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from hermes.errors import UsageError

_NAME: Final = "SOURCE_DATE_EPOCH"


def epoch() -> int:
    """Return ``SOURCE_DATE_EPOCH``, or 0; raises `UsageError` when it is not a time."""
    return _parsed(epoch_text())


def epoch_of(arguments: Mapping[str, str], otherwise: int) -> int:
    """Return the time that the arguments of a Dockerfile name; raises `UsageError`."""
    text = arguments.get(_NAME)
    return _parsed(text) if text else otherwise


def _parsed(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 33:
        raise UsageError(f"{_NAME} is {text!r}, not a number of seconds since 1970")
    return number


def epoch_text() -> str:
    return os.environ.get(_NAME) or "0"

"""The time of everything that is built: ``SOURCE_DATE_EPOCH``; see reproducible-builds.org/specs."""

from __future__ import annotations

import os

from hermes.errors import UsageError


def epoch() -> int:
    """Return ``SOURCE_DATE_EPOCH``, or 0; raises `UsageError` when it is not a time."""
    text = epoch_text()
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 33:
        raise UsageError(f"SOURCE_DATE_EPOCH is {text!r}, not a number of seconds since 1970")
    return number


def epoch_text() -> str:
    return os.environ.get("SOURCE_DATE_EPOCH") or "0"

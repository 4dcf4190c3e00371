"""What somebody may have meant who wrote a name that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice
from typing import Final

_LONGEST_NAME: Final = 100
_MOST_KNOWN: Final = 2000


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return a hint naming what is spelled like ``name``, if anything is."""
    if len(name) > _LONGEST_NAME:
        return None
    listed = [one for one in islice(known, _MOST_KNOWN) if len(one) <= _LONGEST_NAME]
    near = difflib.get_close_matches(name, listed, 1, 0.6)
    return f"did you mean {near[0]!r}?" if near else None

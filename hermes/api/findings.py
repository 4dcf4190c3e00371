"""What was found out about this machine by trying."""

from __future__ import annotations

from typing import Final, NamedTuple

OK: Final = "ok"
LIMITED: Final = "limited"
FAILED: Final = "failed"


class Finding(NamedTuple):
    """One thing that was tried. ``state`` is `OK`, `LIMITED` (some builds cannot work) or `FAILED`."""

    name: str
    state: str
    detail: str
    hint: str = ""

"""What the times of a blob tell: whether anything was done to it since it was last known to be whole.

The modification time of all blobs is in second 1. The fraction of that second says when the blob was written or last
read and found right. Whatever is done to the file sets the time of its last change of status (ctime), which no program
can choose: while both agree, nothing was. Hermes' own links to blobs set the ctime too, so `keep_fresh` goes before them.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Final

STAMP_NS: Final = 1_000_000_000
"""The second in which all blobs have their modification time, in nanoseconds."""
_MILLISECOND: Final = 1_000_000
_BEFORE: Final = 12
"""By how many milliseconds a file system's clock is late, at most: one tick."""
_AFTER: Final = 10
"""How many milliseconds may go by between taking the time and the call that it is for."""


def stamp() -> int:
    """Return the modification time for a blob that is known to be whole, and whose ctime is to be set now.

    In nanoseconds: second 1, and in its fraction the milliseconds of the present time, as many as fit.
    """
    return STAMP_NS + time.time_ns() // _MILLISECOND % STAMP_NS


def is_stamped(mtime_ns: int) -> bool:
    """Tell whether a file has a modification time that only a blob has."""
    return STAMP_NS <= mtime_ns < 2 * STAMP_NS


def is_fresh(mtime_ns: int, ctime_ns: int) -> bool:
    """Tell whether nothing was done to a blob since it was last known to be whole."""
    if not STAMP_NS <= mtime_ns < 2 * STAMP_NS:
        return False
    return (ctime_ns // _MILLISECOND - mtime_ns + STAMP_NS + _BEFORE) % STAMP_NS <= _BEFORE + _AFTER


def keep_fresh(path: str) -> None:
    """Prepare for a change of the names of a blob, which sets its ctime; ``path`` is one of them, there or not."""
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if is_fresh(status.st_mtime_ns, status.st_ctime_ns):
            now = stamp()
            os.utime(path, ns=(now, now), follow_symlinks=False)

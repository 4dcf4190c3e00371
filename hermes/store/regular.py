"""Files of the store, opened so that nothing in their place can block."""

from __future__ import annotations

import errno
import os
import stat


def regular(path: str, flags: int) -> int:
    """Open a regular file, as the ``opener`` of `open`.

    Anything else that stands there, a FIFO or a device, raises the `IsADirectoryError` that a directory does: it is
    neither waited for nor read without end.
    """
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise IsADirectoryError(errno.EISDIR, "not a regular file", path)


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return what a regular file holds; raises as `regular` does."""
    with open(path, "rb", opener=regular) as file:
        return file.read()

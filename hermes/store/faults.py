"""What the operating system's refusals mean to somebody who builds images."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from hermes.errors import StoreError


@contextmanager
def storing(path: str | PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` raised while writing below ``path`` into a `StoreError` with advice."""
    try:
        yield
    except OSError as error:
        raise store_error(error, path) from error


def store_error(error: OSError, path: str | PathLike[str]) -> StoreError:
    """Return ``error`` as a message about the store at ``path``."""
    where = error.filename if isinstance(error.filename, str) else path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"no space left for {where}",
            hint="free some with `hermes cache gc`, or put the store elsewhere with HERMES_HOME",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"no permission to write {where}",
            hint="check who owns the folder, or put the store elsewhere with HERMES_HOME",
        )
    return StoreError(f"{where}: {error.strerror or error}")

"""What the operating system's refusals mean to somebody who builds images."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Final

from hermes.errors import BuildError, HermesError, StoreError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_NO_MEMORY: Final = (
    "can't start new thread",  # RuntimeError, threading
    "failed to map segment",  # ImportError, dlopen(3), and those below
    "cannot allocate memory",
    "cannot create shared object descriptor",
)
_TOO_LATE: Final = "timestamp too large"
"""OverflowError: what time.time() answers where the nanoseconds take more than 63 bits."""


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
    if error.errno in _FULL:
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


@contextmanager
def writing(path: str | PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` raised while writing what a user asked for into a `BuildError`."""
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str) else path
        raise BuildError(
            f"{where} cannot be written: {error.strerror or error}",
            hint="free some space there" if error.errno in _FULL else "write somewhere else",
        ) from error


def is_of_machine(error: Exception) -> bool:
    """Tell whether the machine lacks something, and Python says it with an error that may mean other things, too."""
    return isinstance(error, OSError | MemoryError) or any(
        text in str(error) for text in (*_NO_MEMORY, _TOO_LATE)
    )


def refusal(error: Exception) -> HermesError:
    """Return an error of the machine that no command expects as a message: a limit, a folder that is gone."""
    if _TOO_LATE in str(error):
        return BuildError("the time of this machine is past the year 2262", hint="set its clock")
    if not isinstance(error, OSError):
        return BuildError("out of memory", hint="run fewer actions at once (--jobs), or allow more memory")
    problem = error.strerror or str(error) or type(error).__name__
    where = f"{error.filename}: " if isinstance(error.filename, str) else ""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return BuildError(f"{where}too many open files", hint="raise the limit of open files (ulimit -n)")
    if error.errno == errno.ENOENT and not where:
        return BuildError("the current folder does not exist any more", hint="change to one that exists")
    if error.errno == errno.ENOMEM:
        return BuildError(f"{where}out of memory", hint="run fewer actions at once (--jobs)")
    return BuildError(f"{where}{problem}")

"""Names for what is written beside a target and takes its place once it is whole."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from pathlib import Path
from typing import Final

from hermes.store.removal import remove_tree

_END: Final = "~"
_SECONDS: Final = 60
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


def beside(path: Path, *, hidden: bool = True) -> Path:
    """Return a name beside ``path`` that is this process' own.

    What others of its kind left there when they were killed is removed: nobody else would. A process is taken
    for dead when its number is unused and it wrote nothing for a minute; it may be one of another machine.
    """
    start = f"{'.' if hidden else ''}{path.name}."
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            number = name[len(start) : -len(_END)]
            if name.startswith(start) and name.endswith(_END) and number.isdecimal():
                _remove_if_left(path.with_name(name), number)
    own = path.with_name(f"{start}{os.getpid()}{_END}")
    remove_tree(own)
    return own


def replace_folder(new: Path, path: Path) -> None:
    """Put a folder in the place of one that may be there, which is gone then.

    Where the file system can exchange the two, there is one or the other at any moment.
    """
    if path.is_dir() and _exchange(new, path):
        remove_tree(new)
    else:
        remove_tree(path)
        new.rename(path)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange what two names mean; tell whether that could be done. See renameat2(2)."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _remove_if_left(path: Path, number: str) -> None:
    with contextlib.suppress(OSError):
        if not os.path.exists(f"/proc/{number}") and path.lstat().st_mtime < time.time() - _SECONDS:
            remove_tree(path)

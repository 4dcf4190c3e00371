"""Users of a root file system that is mounted."""

from __future__ import annotations

import os
from functools import partial
from typing import Final

from hermes.container.inside.rootpath import resolve
from hermes.container.users import User, user_in

_LARGEST_FILE: Final = 1 << 20


def find_user(root: str, text: str) -> User:
    """As `hermes.container.users.user_in`, in the file system at ``root``."""
    return user_in(partial(_read, root), text)


def _read(root: str, path: str) -> str:
    def without_waiting(path: str, flags: int) -> int:  # as it may be a FIFO
        return os.open(path, flags | os.O_NONBLOCK)

    try:
        with open(resolve(root, path), encoding="utf-8", errors="replace", opener=without_waiting) as file:
            return file.read(_LARGEST_FILE)
    except OSError:
        return ""

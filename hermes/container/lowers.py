"""The extracted layers that a root is mounted of, and what is in each."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from hermes.layer.apply import OPAQUE_XATTR
from hermes.layer.trees import Passing, read_owners, read_passing

DIRECTORY: Final = "a directory"
_LINK: Final = "a symbolic link to "


class Tree(NamedTuple):
    """An extracted layer: ``root`` is the lower directory, ``passing`` the directories that are not what it changes.

    ``owners`` maps the paths of what should belong to others than root, where that was not possible.
    """

    name: str
    root: str
    passing: Passing = Passing()
    owners: Mapping[str, Sequence[int]] = MappingProxyType({})

    @classmethod
    def open(cls, folder: str, name: str) -> Tree:
        """Open the tree in ``folder``, which errors call ``name``."""
        return cls(name, f"{folder}/root", read_passing(folder), read_owners(folder))


class Look:
    """What one tree has at paths, each looked at once, as trees may be deep.

    ``passed`` tells of the directories that the tree passes through whether it says what they were.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.passed = dict.fromkeys(tree.passing.passed, True) | dict.fromkeys(tree.passing.implied, False)
        self._known = {"": (DIRECTORY, False)}

    def at(self, path: str) -> tuple[str, bool]:
        """Say what is at ``path`` (empty: nothing), and whether that hides what is below it."""
        pending = [path]
        while (above := pending[-1]) not in self._known:
            pending.append(above.rpartition("/")[0])
        for one in reversed(pending[:-1]):
            self._known[one] = self._below(one, *self._known[one.rpartition("/")[0]])
        return self._known[path]

    def _below(self, path: str, kind: str, covers: bool) -> tuple[str, bool]:
        """Do what `at` does, where the directory above is known."""
        if kind != DIRECTORY:
            return "", covers
        here = at(self.tree.root, path)
        try:
            mode = os.lstat(here).st_mode
        except FileNotFoundError:
            return "", covers
        if stat.S_ISDIR(mode):
            return DIRECTORY, covers or is_opaque(here)
        if stat.S_ISCHR(mode):
            return "", True
        return (f"{_LINK}{os.readlink(here)}" if stat.S_ISLNK(mode) else "a file"), True

    def link_at(self, path: str) -> str | None:
        """Return the target of a symbolic link."""
        kind, _ = self.at(path)
        return kind.removeprefix(_LINK) if kind.startswith(_LINK) else None


def at(root: str, path: str) -> str:
    return f"{root}/{path}" if path else root


def is_opaque(path: str) -> bool:
    try:
        return os.getxattr(path, OPAQUE_XATTR) == b"y"
    except OSError:
        return False

"""Layers of an image that hold something below a symbolic link of a layer below them, without saying what is at that path.

A tool that unpacks all layers of an image into one folder follows the link, as umoci and vfs storages do; one that unpacks
each layer by itself gets a folder that covers the link. Here the link is followed, so that nothing is lost: a tree that is
put on top of the layer's has the link again, and what was below it where the link leads.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from typing import Final

from hermes.container.lowers import DIRECTORY, Look, Tree, at, is_opaque
from hermes.layer.apply import OPAQUE_XATTR
from hermes.layer.entry import parents
from hermes.layer.links import resolved
from hermes.layer.trees import Passing

_MOST: Final = 40
"""Trees for one layer, each of which follows the links on the way to what the one before it moved."""


def followed(trees: Sequence[Tree], scratch: str) -> list[Tree]:
    """Return trees, the lowest first, among them those that follow links, which are made in ``scratch``.

    Layers of one image have one name. A layer of something else than what has the link is left as it is. Raises
    `BuildError` where links lead in a circle.
    """
    found: list[Tree] = []
    looks: list[Look] = []
    os.mkdir(scratch)
    for tree in trees:
        one = tree
        for _ in range(_MOST):
            moves = _moves(one, looks)
            found.append(one)
            looks.append(Look(one))
            if not moves:
                break
            one = _moved(one, moves, f"{scratch}/{len(found)}")
    return found


def _moves(tree: Tree, below: Sequence[Look]) -> dict[str, tuple[str, str]]:
    """Return links of the layers below that a tree covers with a folder: to where they are on disk, and where they lead."""
    below = [one for one in below if one.tree.name == tree.name]

    def nearest(path: str) -> Look | None:
        return next((look for look in reversed(below) if any(look.at(path))), None)

    def link_at(path: str) -> str | None:
        look = nearest(path)
        return look.link_at(path) if look else None

    found: dict[str, tuple[str, str]] = {}
    for path in sorted(tree.passing.implied):
        look = nearest(path) if path and not any(above in found for above in parents(path)) else None
        if look is None or look.link_at(path) is None:
            continue
        target = resolved(path, link_at)
        there = nearest(target)
        if there is None or there.at(target)[0] in (DIRECTORY, ""):  # where nothing is, a folder is made
            found[path] = at(look.tree.root, path), target
    return found


def _moved(tree: Tree, moves: Mapping[str, tuple[str, str]], folder: str) -> Tree:
    """Make a tree with links, and with what ``tree`` has below them where they lead."""
    os.mkdir(folder)
    implied = {""}
    owners: dict[str, Sequence[int]] = {}
    for path, (link, target) in moves.items():
        for one in (path.rpartition("/")[0], target):
            os.makedirs(at(folder, one), 0o755, exist_ok=True)
            implied.update((one, *parents(one)))
        _copy_one(link, at(folder, path))
        _copy(at(tree.root, path), at(folder, target))
        start = f"{path}/"
        moved = {one: f"{target}/{one.removeprefix(start)}" for one in tree.owners if one.startswith(start)}
        owners.update((moved[one], tree.owners[one]) for one in moved)
        implied.update(
            f"{target}/{one.removeprefix(start)}" for one in tree.passing.implied if one.startswith(start)
        )
    return Tree(tree.name, folder, Passing(sorted(implied)), owners)


def _copy(source: str, target: str) -> None:
    """Copy what is in a folder of a tree into one that is there, with all that a tree can say."""
    if is_opaque(source):
        os.setxattr(target, OPAQUE_XATTR, b"y")
    with os.scandir(source) as items:
        for item in items:
            _copy_one(item.path, f"{target}/{item.name}")


def _copy_one(source: str, target: str) -> None:
    status = os.lstat(source)
    if stat.S_ISDIR(status.st_mode):
        os.makedirs(target, exist_ok=True)
        _copy(source, target)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
    elif stat.S_ISREG(status.st_mode):
        shutil.copyfile(source, target)
    else:
        os.mknod(target, status.st_mode, status.st_rdev)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    shutil.copystat(source, target, follow_symlinks=False)

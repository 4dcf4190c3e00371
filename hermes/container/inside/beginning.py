"""Layers that a command's own layer begins with: what is in its upper directory before it is mounted."""

from __future__ import annotations

import os
from collections.abc import Sequence

from hermes.container.lowers import Tree
from hermes.container.overlay import owner_in, settle_directories
from hermes.container.stack import StackEntry
from hermes.layer import encodings
from hermes.layer.apply import TreeWriter
from hermes.layer.diff import OwnerOf
from hermes.layer.tar_reader import members
from hermes.sandbox.idmap import has_one_id
from hermes.store import Store


def begin(store: Store, layers: Sequence[StackEntry], upper: str, below: Sequence[Tree]) -> OwnerOf | None:
    """Extract layers, of which the store has blobs, into ``upper``, a directory that is not there yet.

    Returns what tells who is to own a path of them and of ``below`` (see `hermes.container.overlay.owner_in`).
    """
    os.makedirs(upper, 0o755)
    name = " and ".join(dict.fromkeys(one.name for one in layers))
    writer = TreeWriter(upper, name=name, one_id=has_one_id())
    paths: set[str] = set()
    for one in layers:
        with encodings.open_tar(store, one.diff_id) as tar:
            for member in members(tar.read, name=one.name, unpadded=True):
                writer.add(member.entry, member.content)
                if not member.entry.passed:
                    paths.add(member.entry.path)
            tar.check()
    tree = Tree(name, upper, writer.finish(), writer.owners)
    settle_directories(tree, below)
    under = owner_in(below)
    if under is None and not writer.owners:
        return None

    def owner(path: str) -> tuple[int, int] | None:
        if path in paths:
            return writer.owners.get(path)
        return under(path) if under else None

    return owner

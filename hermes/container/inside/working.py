"""What is done to working containers in the user namespace: copy, tidy up, look at changes, commit.

Each function is one call of `hermes.sandbox.namespace.Namespace`, and imports what the others have no use for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hermes.container.inside.scratch import scratch_of, store_at
from hermes.container.overlay import Tree, mount_stack
from hermes.container.stack import Upper
from hermes.digest import Digest
from hermes.sandbox.syscalls import umount
from hermes.store import Store

Stack = list[tuple[str, str]]
"""Pairs of a layer's diff_id and what errors call it, the lowest first."""


def copy(home: str, stack: Stack, upper: list[str], root: str, copy: dict[str, Any]) -> None:
    """Carry out a `Copy` in a container, which is mounted at ``root`` already unless that is empty."""
    from hermes.container.copy import Copy
    from hermes.container.inside.copying import copy_into

    with store_at(home) as store, scratch_of(store) as scratch:
        mounted = root or mount_stack(_trees(store, stack), scratch, target="merged", upper=Upper(*upper))
        copy_into(Copy.from_json(copy), mounted, str(store.home), scratch)
        if not root:
            umount(mounted)


def tidy(home: str, stack: Stack, upper: list[str], root: str) -> None:
    """Take the mount points of a command that was killed out of a container, mounted at ``root`` or nowhere."""
    from hermes.container.inside.rootpath import MountPoints

    with store_at(home) as store, scratch_of(store) as scratch:
        where = Upper(*upper)
        mounted = root or mount_stack(_trees(store, stack), scratch, target="merged", upper=where)
        MountPoints(mounted, where.points).remove()


def diff(home: str, stack: Stack, upper: list[str]) -> list[tuple[str, str]]:
    """Return what a container's upper directory changes: A, C or D, and the path."""
    from hermes.layer.diff import peek

    with store_at(home) as store, scratch_of(store) as scratch:
        if not os.path.isdir(upper[0]):
            return []
        trees = _trees(store, stack)
        below = mount_stack(trees, scratch, target="below") if trees else None
        found = []
        for entry in peek(upper[0], below):
            path = entry.hidden if entry.is_whiteout else entry.path
            was_there = below is not None and os.path.lexists(f"{below}/{path}")
            kind = "C" if entry.is_opaque else "D" if entry.is_whiteout else "C" if was_there else "A"
            if not entry.is_opaque:
                found.append((kind, f"/{path}"))
        return found


def commit(home: str, stack: Stack, upper: list[str], mtime: int, codec: str) -> Digest | None:
    """Write the changes in an upper directory, mounted nowhere, as a layer; return its diff_id, if there are any."""
    from hermes.container.inside.committing import changes_in, write_changes
    from hermes.layer.compress import codec_of

    with store_at(home) as store, scratch_of(store) as scratch:
        if not os.path.isdir(upper[0]):
            return None
        found = changes_in(upper[0], _trees(store, stack), mtime, scratch)
        if not found.entries:
            return None
        return write_changes(store, found, upper[0], codec_of(codec)).diff_id


def _trees(store: Store, stack: Sequence[tuple[str, str]]) -> list[Tree]:
    return [Tree.open(f"{store.trees}/{Digest(diff_id).hex}", name) for diff_id, name in stack]

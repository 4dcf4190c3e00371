"""What is done to working containers in the user namespace: copy, tidy up, look at changes, commit.

Each function takes a call of `hermes.container.calls.containers`, and imports what the others have no use for.
"""

from __future__ import annotations

import os

from hermes.container.calls.containers import (
    COMMIT,
    COPY,
    DIFF,
    TAKE,
    TIDY,
    Change,
    Changes,
    Committed,
    Committing,
    Copying,
    Taking,
    WorkingRoot,
)
from hermes.container.inside.scratch import scratch_of, store_at
from hermes.container.lowers import Tree
from hermes.container.overlay import mount_stack
from hermes.sandbox.remote import serves
from hermes.sandbox.syscalls import umount
from hermes.store import Store


@serves(COPY)
def copy(call: Copying) -> None:
    from hermes.container.inside.copying import copy_into

    root = call.root
    with store_at(root.home) as store, scratch_of(store) as scratch:
        mounted = root.mounted or _mounted(store, root, scratch)
        copy_into(call.copy, mounted, str(store.home), scratch)
        if not root.mounted:
            umount(mounted)


@serves(TAKE)
def take(call: Taking) -> None:
    from hermes.container.inside.taking import write_archive

    root = call.root
    with store_at(root.home) as store, scratch_of(store) as scratch:
        mounted = root.mounted or _mounted(store, root, scratch)
        write_archive(mounted, call.paths, call.archive)
        if not root.mounted:
            umount(mounted)


@serves(TIDY)
def tidy(root: WorkingRoot) -> None:
    """Remove the mount points of a command that was killed from a container."""
    from hermes.container.inside.rootpath import MountPoints

    with store_at(root.home) as store, scratch_of(store) as scratch:
        MountPoints(root.mounted or _mounted(store, root, scratch), root.upper.points).remove()


@serves(DIFF)
def diff(root: WorkingRoot) -> Changes:
    from hermes.layer.diff import peek

    upper = root.upper.upper
    with store_at(root.home) as store, scratch_of(store) as scratch:
        if not os.path.isdir(upper):
            return Changes(())
        trees = _trees(store, root)
        below = mount_stack(trees, scratch, target="below") if trees else None
        found = []
        for entry in peek(upper, below):
            path = entry.hidden if entry.is_whiteout else entry.path
            was_there = below is not None and os.path.lexists(f"{below}/{path}")
            kind = "C" if entry.is_opaque else "D" if entry.is_whiteout else "C" if was_there else "A"
            if not entry.is_opaque:
                found.append(Change(kind, f"/{path}"))
        return Changes(tuple(found))


@serves(COMMIT)
def commit(call: Committing) -> Committed:
    """Write the changes in an upper directory, mounted nowhere, as a layer."""
    from hermes.container.inside.committing import changes_in, write_changes
    from hermes.layer.compress import codec_of

    upper = call.root.upper.upper
    with store_at(call.root.home) as store, scratch_of(store) as scratch:
        if not os.path.isdir(upper):
            return Committed(None)
        found = changes_in(upper, _trees(store, call.root), call.mtime, scratch)
        if not found.entries:
            return Committed(None)
        return Committed(write_changes(store, found, upper, codec_of(call.codec)).diff_id)


def _mounted(store: Store, root: WorkingRoot, scratch: str) -> str:
    return mount_stack(_trees(store, root), scratch, target="merged", upper=root.upper)


def _trees(store: Store, root: WorkingRoot) -> list[Tree]:
    return [Tree.open(f"{store.trees}/{one.diff_id.hex}", one.name) for one in root.stack]

"""An upper directory -> a layer and its tree, in the user namespace."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from hermes.container.lowers import Tree
from hermes.container.overlay import mount_stack, owner_in
from hermes.digest import Digest
from hermes.layer.diff import Changes, OwnerOf, changes
from hermes.layer.trees import Passing, describe_tree, is_sealed
from hermes.sandbox.syscalls import umount
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.layer.compress import Codec, Encoding


_TRIES: Final = 10
"""How often a tree that is not as it should be may be in the way of another."""


class Made(NamedTuple):
    """A layer made of an upper directory: its diff_id, the size of its tar, its blob."""

    diff_id: Digest
    size: int
    encoding: Encoding | None


def changes_in(
    upper: str, trees: Sequence[Tree], mtime: int, scratch: str, owner: OwnerOf | None = None
) -> Changes:
    """Return what ``upper``, which is mounted nowhere, changes of ``trees``; see `hermes.layer.diff.changes`.

    ``owner`` counts instead of what the trees say of owners.
    """
    below = mount_stack(trees, scratch, target="below") if trees else None
    found = changes(upper, below, mtime=mtime, owner=owner or owner_in(trees))
    if below:
        umount(below)
    return found


def write_changes(store: Store, found: Changes, upper: str, codec: Codec | None) -> Made:
    """Write what changes in ``upper`` as a layer, and what its tree needs beside ``upper``.

    The folder that holds ``upper``, as ``root``, is then ready for `publish`. The layer's tar is stored if there is
    a ``codec`` for it.
    """
    from hermes.layer import encodings, toc
    from hermes.layer.write import write_layer

    written = write_layer(
        found.items(upper), blobs=store.blobs if codec else None, codec=codec, scratch=store.scratch
    )
    diff_id = written.toc.diff_id
    has_root = any(not entry.path for entry in found.entries[:1])
    passing = Passing([] if has_root else [""], [entry.path for entry in found.entries if entry.passed])
    describe_tree(os.path.dirname(upper), passing, found.owners)
    toc.save(store, written.toc)
    if written.encoding is not None:
        encodings.record(store, diff_id, written.encoding)
    return Made(diff_id, written.toc.size, written.encoding)


def publish(store: Store, diff_id: Digest, folder: str) -> None:
    """Make ``folder``, which holds ``root`` and its description, the tree of a layer, unless it has an unchanged one.

    Others may do the same at the same time.
    """
    there = f"{store.trees}/{diff_id.hex}"
    for number in range(_TRIES):
        with contextlib.suppress(OSError):
            os.rename(folder, there)
            return
        if is_sealed(there):
            return
        with contextlib.suppress(FileNotFoundError):
            os.rename(there, f"{folder}.{number}")
    os.rename(folder, there)

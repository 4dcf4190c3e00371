"""What is done to working containers in the user namespace: copy, tidy up, look at changes, commit, squash.

Each function is one call of `hermes.sandbox.namespace.Namespace`, and imports what the others have no use for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hermes.container.overlay import Tree, mount_stack
from hermes.container.scratch import scratch_of, store_at
from hermes.container.stack import Upper
from hermes.digest import Digest
from hermes.sandbox.syscalls import umount
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.layer.write import Item

Stack = list[tuple[str, str]]
"""Pairs of a layer's diff_id and what errors call it, the lowest first."""


def copy(home: str, stack: Stack, upper: list[str], root: str, copy: dict[str, Any]) -> None:
    """Carry out a `Copy` in a container, which is mounted at ``root`` already unless that is empty."""
    from hermes.container.copying import Copy, copy_into

    with store_at(home) as store, scratch_of(store) as scratch:
        mounted = root or mount_stack(_trees(store, stack), scratch, target="merged", upper=Upper(*upper))
        copy_into(Copy.from_json(copy), mounted, str(store.home), scratch)
        if not root:
            umount(mounted)


def tidy(home: str, stack: Stack, upper: list[str], root: str) -> None:
    """Take the mount points of a command that was killed out of a container, mounted at ``root`` or nowhere."""
    from hermes.container.rootpath import MountPoints

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
    from hermes.container.committing import changes_in, write_changes
    from hermes.layer.compress import codec_of

    with store_at(home) as store, scratch_of(store) as scratch:
        if not os.path.isdir(upper[0]):
            return None
        found = changes_in(upper[0], _trees(store, stack), mtime, scratch)
        if not found.entries:
            return None
        return write_changes(store, found, upper[0], codec_of(codec)).diff_id


def squash(home: str, stack: Stack, codec: str, below: Sequence[str] = (), mtime: int = 0) -> dict[str, Any]:
    """Write all layers of a stack as one.

    It does to the layers ``below``, by their diff_ids, what they did; whiteouts have the time ``mtime``.
    """
    from hermes.layer import encodings, toc
    from hermes.layer.compress import codec_of
    from hermes.layer.write import write_layer

    with store_at(home) as store:
        items = _merged_items(store, stack, below, mtime)
        written = write_layer(items, blobs=store.blobs, codec=codec_of(codec))
        toc.save(store, written.toc)
        if written.encoding is not None:
            encodings.record(store, written.toc.diff_id, written.encoding)
        return {"diff_id": written.toc.diff_id, "size": written.toc.size}


def _merged_items(store: Store, stack: Stack, below: Sequence[str], mtime: int) -> Iterator[Item]:
    from hermes.layer import toc
    from hermes.layer.content import Content, FileContent
    from hermes.layer.entry import FILE
    from hermes.layer.merge import merge
    from hermes.layer.view import View

    digests = [Digest(diff_id) for diff_id, _ in stack]
    view = View([toc.load(store, Digest(one)) for one in below])
    for entry, layer, path in merge([toc.load(store, one) for one in digests], view, mtime):
        content: Content | None = None
        if entry.type == FILE and entry.size:
            content = FileContent(f"{store.trees}/{digests[layer].hex}/root/{path}", entry.size)
        yield entry, content


def _trees(store: Store, stack: Sequence[tuple[str, str]]) -> list[Tree]:
    return [Tree.open(f"{store.trees}/{Digest(diff_id).hex}", name) for diff_id, name in stack]

"""The forms that the store has a layer in: a tree, a tar, compressed blobs; and making one from another."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from hermes.container.calls.layers import (
    CHECK,
    EXTRACT,
    GATHER,
    PACK,
    SQUASH,
    Checking,
    Extraction,
    Gathering,
    InTree,
    Packing,
    Squashing,
    WrittenLayer,
)
from hermes.container.removal import Remover
from hermes.container.stack import StackEntry
from hermes.digest import Digest
from hermes.errors import MissingBlobError
from hermes.layer.trees import has_tree, is_sealed
from hermes.sandbox.namespace import Namespace
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.layer.compress import Codec, Encoding
    from hermes.layer.entry import Entry


class LayerForms:
    """The layers of one store. Safe to use from several threads.

    ``fetch`` is called with a layer that the store has no bytes of, and stores them if it can. ``checked`` are layers
    whose trees this process has looked at, to which those are added that it looks at here.
    """

    def __init__(
        self,
        store: Store,
        namespace: Namespace,
        fetch: Callable[[Digest], None] = lambda _: None,
        checked: set[Digest] | None = None,
    ) -> None:
        self.remover = Remover(store, namespace)
        self._store = store
        self._namespace = namespace
        self._home = str(store.home)
        self._fetch = fetch
        self._checked = set() if checked is None else checked

    def ensure_present(self, diff_id: Digest) -> None:
        """Fetch a layer that the store has in no form, if it can be fetched."""
        from hermes.layer import encodings

        if not encodings.available(self._store, diff_id):
            self._fetch(diff_id)

    def ensure_tree(self, diff_id: Digest) -> None:
        """Extract a layer unless that has been done, and note that it is used. A tree that was changed is made again."""
        self._check([diff_id])
        self._ensure_tree(diff_id)

    def ensure_trees(self, stack: Iterable[StackEntry]) -> None:
        """Do what `ensure_tree` does, for a stack of layers."""
        diff_ids = [below.diff_id for below in stack]
        self._check(diff_ids)
        for diff_id in diff_ids:
            self._ensure_tree(diff_id)

    def ensure_tars(self, stack: Iterable[StackEntry]) -> None:
        """Fetch or make a blob of each layer that the store has no blob of."""
        from hermes.layer import encodings

        for one in stack:
            self.ensure_present(one.diff_id)
            if encodings.find_any(self._store, one.diff_id) is None:
                self.packed(one.diff_id, None)

    def note_tree(self, diff_id: Digest) -> None:
        """Note that a command of this process has just made the tree of a layer."""
        self._checked.add(diff_id)

    def check_trees(self, diff_ids: Sequence[Digest]) -> Sequence[Digest]:
        """Read trees that are there, remove those that are not what their layers are, and return them."""
        return self._namespace.call(CHECK, Checking(self._home, tuple(diff_ids), read=True)).removed

    def _check(self, diff_ids: Iterable[Digest]) -> None:
        """Remove trees that were changed; once in a process for each, as it looks at every file.

        This process looks first, which may have to wait for the namespace's anyway. What it may not search is looked
        at from there.
        """
        unchecked = [
            one for one in dict.fromkeys(diff_ids) if one not in self._checked and has_tree(self._store, one)
        ]
        if found := [one for one in unchecked if not is_sealed(f"{self._store.trees}/{one.hex}")]:
            self._namespace.call(CHECK, Checking(self._home, tuple(found)))
        self._checked.update(unchecked)

    def _ensure_tree(self, diff_id: Digest) -> None:
        owned = self._namespace.map.whole
        if has_tree(self._store, diff_id, owned=owned):
            with contextlib.suppress(OSError):
                os.utime(f"{self._store.trees}/{diff_id.hex}")
            return
        with self._store.locks.held(f"tree:{diff_id}"):
            if not has_tree(self._store, diff_id, owned=owned):
                self.ensure_present(diff_id)
                self.remover.remove([f"{self._store.trees}/{diff_id.hex}"])
                self._namespace.call(EXTRACT, Extraction(self._home, diff_id))
            self._checked.add(diff_id)

    def compressed(self, diff_id: Digest, codec: Codec) -> Encoding:
        """Return a layer's blob in the form that ``codec`` gives, making it unless it is there.

        Raises `MissingBlobError` when the store does not hold the layer.
        """
        from hermes.layer import encodings

        if found := encodings.find(self._store, diff_id, codec):
            return found
        if (noted := encodings.recorded(self._store, diff_id, codec)) and self._store.blobs.bring(
            noted.digest
        ):
            return noted
        self.ensure_present(diff_id)
        if encodings.find_any(self._store, diff_id) is None:
            return self.packed(diff_id, codec)
        from hermes.layer.write import compress

        with encodings.open_tar(self._store, diff_id) as tar:
            encoding = compress(tar.chunks(), self._store.blobs, codec)
        encodings.record(self._store, diff_id, encoding)
        return encoding

    def packed(self, diff_id: Digest, codec: Codec | None) -> Encoding:
        """Make a blob of a layer that has only a tree; raises `MissingBlobError` when it has none."""
        if not has_tree(self._store, diff_id):
            raise MissingBlobError(f"the store does not hold layer {diff_id}", digest=diff_id)
        packing = Packing(self._home, diff_id, codec.spec if codec else "")
        return self._namespace.call(PACK, packing).encoding

    def gathered(self, rows: Iterable[tuple[Entry, InTree]], name: str, codec: Codec | None) -> WrittenLayer:
        """Write a layer, which errors call ``name``, of entries whose bytes are in trees, which are made.

        Raises `MissingBlobError`, and removes the tree, when one does not hold what the entries say.
        """
        from hermes.layer.rows import row_of_entry

        found = list(rows)
        for layer in dict.fromkeys(place.layer for _, place in found if place.layer):
            self.ensure_tree(layer)
        entries = tuple(row_of_entry(entry) for entry, _ in found)
        places = tuple(place for _, place in found)
        gathering = Gathering(self._home, entries, places, name, codec.spec if codec else "")
        return self._namespace.call(GATHER, gathering)

    def squashed(
        self, stack: Sequence[StackEntry], codec: Codec, below: Sequence[Digest] = (), mtime: int = 0
    ) -> WrittenLayer:
        """Write a stack as one layer, for the layers ``below`` it; its whiteouts have the time ``mtime``, in seconds."""
        self.ensure_trees(stack)
        squashing = Squashing(self._home, tuple(stack), codec.spec, tuple(below), mtime)
        return self._namespace.call(SQUASH, squashing)

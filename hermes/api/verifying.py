"""``hermes cache verify``: everything that a store holds, read and checked; what is damaged is removed or made again.

Blobs come first, then the tables of contents, which are made again of blobs, then the trees, which are held to the tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from hermes.container.layer_forms import LayerForms
from hermes.container.state import States
from hermes.digest import Digest
from hermes.errors import HermesError, MissingBlobError
from hermes.image.names import ImageNames
from hermes.layer import toc
from hermes.layer.importing import restore
from hermes.layer.trees import has_tree
from hermes.sandbox.namespace import Namespace
from hermes.store import Store, gc


class Damage(NamedTuple):
    """``what`` was damaged, and what has been done about it, or is to be done by hand."""

    what: str
    done: str
    is_mended: bool = True


def verify(store: Store) -> Iterator[Damage]:
    """Check blobs, tables of contents, trees, results, names and working containers, and yield what was damaged.

    Blobs, tables and trees are removed: commands make them again. Names and containers stay for the user to remove.
    """
    with store.in_use():
        for digest in gc.verify(store):
            yield Damage(f"the blob {digest}", "removed")
        yield from _tables(store)
        yield from _trees(store)
        if not store.results.verify():
            yield Damage("the cache of results", "a new one has been started")
        for name in ImageNames(store).damaged():
            yield Damage(
                f"the entry of the image name {name}", f"remove it: hermes rmi {name}", is_mended=False
            )
        for identity in States(store).damaged():
            yield Damage(f"the container {identity}", f"remove it: hermes ctr rm {identity}", is_mended=False)


def _tables(store: Store) -> Iterator[Damage]:
    for name in sorted(os.listdir(store.home / "toc")):
        if "." in name:
            continue
        diff_id = Digest.from_hex(name)
        try:
            toc.load(store, diff_id)
        except MissingBlobError:
            try:
                is_back = restore(store, diff_id)
            except HermesError:
                is_back = False
            yield Damage(f"the table of contents of layer {diff_id}", "made again" if is_back else "removed")


def _trees(store: Store) -> Iterator[Damage]:
    found = [Digest.from_hex(name) for name in sorted(os.listdir(store.trees)) if len(name) == 64]
    trees = [one for one in found if has_tree(store, one)]
    if not trees:
        return
    namespace = Namespace()
    try:
        for diff_id in LayerForms(store, namespace).check_trees(trees):
            yield Damage(f"the tree of layer {diff_id}", "removed")
    finally:
        namespace.close()

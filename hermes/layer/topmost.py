"""The layer on top of an image that says what its folders are, where its layers leave that to chance.

It is made of tables of contents alone; see `hermes.layer.folders`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hermes.layer import encodings, toc
from hermes.layer.compress import Codec
from hermes.layer.folders import Folders, missing_entries
from hermes.layer.toc import TableOfContents
from hermes.layer.write import Item, write_layer
from hermes.store import Store


def store_topmost(
    store: Store, stack: Sequence[Folders], *, mtime: int, codec: Codec | None, complete: bool = True
) -> TableOfContents:
    """Store the layer that a stack, the lowest first, needs on top; one without entries if all is well.

    Unless the stack is ``complete``, something of which nothing is known is below it. ``mtime`` is in seconds. The
    layer is stored in the form that ``codec`` gives.
    """
    found = missing_entries(stack, complete=complete)
    items: list[Item] = [(entry._replace(mtime=mtime), None) for entry in found]
    if not items:  # as most images need; it is stored once
        table = write_layer(items, blobs=None).toc
        if encodings.available(store, table.diff_id):
            return table
    written = write_layer(items, blobs=store.blobs, codec=codec)
    toc.save(store, written.toc)
    if written.encoding is not None:
        encodings.record(store, written.toc.diff_id, written.encoding)
    return written.toc

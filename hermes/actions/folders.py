"""The layer on top of an image that says what its folders are, where its layers leave that to chance.

It is made of tables of contents alone; see `hermes.layer.folders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hermes.actions.kinds import LAYER
from hermes.actions.tools import Tools, hinted_codec
from hermes.digest import Digest
from hermes.engine.action import Value
from hermes.engine.executor import Request
from hermes.layer import encodings, toc
from hermes.layer.folders import Folders, missing_entries
from hermes.layer.toc import TableOfContents
from hermes.layer.write import Item, write_layer

_REMEMBERED: Final = 32


def folders_layer(
    request: Request, tools: Tools, stack: Sequence[TableOfContents], *, complete: bool, mtime: int
) -> Value:
    """Store the layer that a stack, the lowest first, needs on top; one without entries if all is well.

    Unless the stack is ``complete``, something of which nothing is known is below it. ``mtime`` is in seconds.
    """
    found = missing_entries([_folders_of(one, tools) for one in stack], complete=complete)
    items: list[Item] = [(entry._replace(mtime=mtime), None) for entry in found]
    codec = hinted_codec(request)
    table = write_layer(items, blobs=None).toc
    if not encodings.available(tools.store, table.diff_id):
        written = write_layer(items, blobs=tools.store.blobs, codec=codec)
        toc.save(tools.store, table)
        if written.encoding is not None:
            encodings.record(tools.store, table.diff_id, written.encoding)
    return Value(LAYER, table.diff_id, table.size)


def _folders_of(table: TableOfContents, tools: Tools) -> Folders:
    """Return what a layer does to folders, which the calling thread keeps for its next images."""
    known: dict[Digest, Folders] = getattr(tools.local, "folders", None) or {}
    tools.local.folders = known
    found = known.pop(table.diff_id, None) or Folders.of(table)
    known[table.diff_id] = found
    while len(known) > _REMEMBERED:
        known.pop(next(iter(known)))
    return found

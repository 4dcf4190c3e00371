"""What images do to folders, and the layer that says so on top of them; see `hermes.layer.folders`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from hermes.actions.kinds import LAYER
from hermes.actions.tools import Tools, hinted_codec
from hermes.digest import Digest, canonical_json, read_json
from hermes.engine.action import Value
from hermes.engine.executor import Request
from hermes.errors import HermesError
from hermes.layer import encodings
from hermes.layer.apart import Apart
from hermes.layer.folders import Folders
from hermes.layer.toc import TableOfContents
from hermes.layer.topmost import store_topmost
from hermes.store.regular import read_regular

_REMEMBERED: Final = 32
_VERSION: Final = 1


def folders_layer(
    request: Request, tools: Tools, stack: Sequence[TableOfContents], *, complete: bool, mtime: int
) -> Value:
    """Return the layer that a stack needs on top; see `hermes.layer.topmost.store_topmost`."""
    known = [_folders_of(one, tools) for one in stack]
    table = store_topmost(tools.store, known, mtime=mtime, codec=hinted_codec(request), complete=complete)
    return Value(LAYER, table.diff_id, table.size)


def folders_apart(request: Request, tools: Tools, apart: Apart, *, complete: bool, mtime: int) -> Value:
    """Return what `folders_layer` does for layers that have nothing to do with each other.

    The store remembers it, in ``toc/HEX.topmost``, by what the layers do to directories: few edits change that.
    """
    question = canonical_json([_VERSION, apart.folder_digests, complete, mtime])
    path = f"{tools.store.toc_path(Digest.of(question))}.topmost"
    with suppress(OSError, ValueError, LookupError, TypeError, HermesError):
        known = read_json(read_regular(path))
        diff_id = Digest.parse(known["diff_id"])
        if encodings.available(tools.store, diff_id):
            return Value(LAYER, diff_id, int(known["size"]))
    table = store_topmost(
        tools.store, apart.folders(), mtime=mtime, codec=hinted_codec(request), complete=complete
    )
    tools.store.write(path, canonical_json({"diff_id": table.diff_id, "size": table.size}))
    return Value(LAYER, table.diff_id, table.size)


def _folders_of(table: TableOfContents, tools: Tools) -> Folders:
    """Return what a layer does to folders, which the calling thread keeps for its next images."""
    known = tools.memory.folders
    found = known.pop(table.diff_id, None) or Folders.of(table)
    known[table.diff_id] = found
    while len(known) > _REMEMBERED:
        known.pop(next(iter(known)))
    return found

"""What images do to folders, and the layer that says so on top of them; see `hermes.layer.folders`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hermes.actions.kinds import LAYER
from hermes.actions.tools import Tools, hinted_codec
from hermes.engine.action import Value
from hermes.engine.executor import Request
from hermes.layer.folders import Folders
from hermes.layer.toc import TableOfContents
from hermes.layer.topmost import store_topmost

_REMEMBERED: Final = 32


def folders_layer(
    request: Request, tools: Tools, stack: Sequence[TableOfContents], *, complete: bool, mtime: int
) -> Value:
    """Return the layer that a stack needs on top; see `hermes.layer.topmost.store_topmost`."""
    known = [_folders_of(one, tools) for one in stack]
    table = store_topmost(tools.store, known, mtime=mtime, codec=hinted_codec(request), complete=complete)
    return Value(LAYER, table.diff_id, table.size)


def _folders_of(table: TableOfContents, tools: Tools) -> Folders:
    """Return what a layer does to folders, which the calling thread keeps for its next images."""
    known = tools.memory.folders
    found = known.pop(table.diff_id, None) or Folders.of(table)
    known[table.diff_id] = found
    while len(known) > _REMEMBERED:
        known.pop(next(iter(known)))
    return found

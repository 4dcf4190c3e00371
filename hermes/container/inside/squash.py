"""All layers of a stack as one, in the user namespace, which may read all of their trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hermes.container.inside.scratch import store_at
from hermes.digest import Digest
from hermes.layer import encodings, toc
from hermes.layer.compress import codec_of
from hermes.layer.content import Content, FileContent
from hermes.layer.entry import FILE
from hermes.layer.merge import merge
from hermes.layer.view import View
from hermes.layer.write import Item, write_layer
from hermes.store import Store


def squash(
    home: str, stack: Sequence[tuple[str, str]], codec: str, below: Sequence[str] = (), mtime: int = 0
) -> dict[str, Any]:
    """Write all layers of a stack as one.

    It does to the layers ``below``, by their diff_ids, what they did; whiteouts have the time ``mtime``.
    """
    with store_at(home) as store:
        items = _merged_items(store, stack, below, mtime)
        written = write_layer(items, blobs=store.blobs, codec=codec_of(codec))
        toc.save(store, written.toc)
        if written.encoding is not None:
            encodings.record(store, written.toc.diff_id, written.encoding)
        return {"diff_id": written.toc.diff_id, "size": written.toc.size}


def _merged_items(
    store: Store, stack: Sequence[tuple[str, str]], below: Sequence[str], mtime: int
) -> Iterator[Item]:
    digests = [Digest(diff_id) for diff_id, _ in stack]
    view = View([toc.load(store, Digest(one)) for one in below])
    for entry, layer, path in merge([toc.load(store, one) for one in digests], view, mtime):
        content: Content | None = None
        if entry.type == FILE and entry.size:
            content = FileContent(f"{store.trees}/{digests[layer].hex}/root/{path}", entry.size)
        yield entry, content

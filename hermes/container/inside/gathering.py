"""A layer made of files in trees of the store, in the user namespace, which may read them all."""

from __future__ import annotations

import shutil

from hermes.container.calls.layers import GATHER, Gathering, WrittenLayer
from hermes.container.inside.scratch import store_at
from hermes.digest import Digest
from hermes.errors import MissingBlobError
from hermes.layer import encodings, toc
from hermes.layer.canonical import canonical
from hermes.layer.compress import codec_of
from hermes.layer.content import Content, FileContent
from hermes.layer.entry import FILE
from hermes.layer.rows import entry_of_row
from hermes.layer.write import Item, write_layer
from hermes.sandbox.remote import serves


@serves(GATHER)
def gather(call: Gathering) -> WrittenLayer:
    """Raises `MissingBlobError`, and removes the tree, when one does not hold what the entries say."""
    with store_at(call.home) as store:
        expected: dict[str, Digest] = {}
        items: list[Item] = []
        for row, (layer, path) in zip(call.rows, call.sources, strict=True):
            entry = entry_of_row(row)
            content: Content | None = None
            if entry.type == FILE:
                expected[entry.digest] = layer
                if entry.size:
                    content = FileContent(f"{store.trees}/{layer.hex}/root/{path}", entry.size)
                entry = entry._replace(digest="")
            items.append((entry, content))
        rows = canonical(items, name=call.name)
        written = write_layer(rows, blobs=store.blobs, codec=codec_of(call.codec), scratch=store.scratch)
        found = {entry.digest for entry in written.toc.entries if entry.type == FILE}
        for content_digest, layer in expected.items():
            if content_digest not in found:
                shutil.rmtree(f"{store.trees}/{layer.hex}", ignore_errors=True)
                raise MissingBlobError(f"{call.name}: the tree of layer {layer} was changed", digest=layer)
        toc.save(store, written.toc)
        if written.encoding is not None:
            encodings.record(store, written.toc.diff_id, written.encoding)
        return WrittenLayer(written.toc.diff_id, written.toc.size)

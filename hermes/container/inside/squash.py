"""All layers of a stack as one, in the user namespace, which may read all of their trees."""

from __future__ import annotations

from collections.abc import Iterator

from hermes.container.calls.layers import SQUASH, Squashing, WrittenLayer
from hermes.container.inside.scratch import store_at
from hermes.layer import encodings, toc
from hermes.layer.compress import codec_of
from hermes.layer.content import Content, FileContent
from hermes.layer.entry import FILE
from hermes.layer.merge import merge
from hermes.layer.view import View
from hermes.layer.write import Item, write_layer
from hermes.sandbox.remote import serves
from hermes.store import Store


@serves(SQUASH)
def squash(call: Squashing) -> WrittenLayer:
    with store_at(call.home) as store:
        written = write_layer(
            _merged_items(store, call), blobs=store.blobs, codec=codec_of(call.codec), scratch=store.scratch
        )
        toc.save(store, written.toc)
        if written.encoding is not None:
            encodings.record(store, written.toc.diff_id, written.encoding)
        return WrittenLayer(written.toc.diff_id, written.toc.size)


def _merged_items(store: Store, call: Squashing) -> Iterator[Item]:
    digests = [one.diff_id for one in call.stack]
    view = View([toc.load(store, one) for one in call.below])
    for entry, layer, path in merge([toc.load(store, one) for one in digests], view, call.mtime):
        content: Content | None = None
        if entry.type == FILE and entry.size:
            content = FileContent(f"{store.trees}/{digests[layer].hex}/root/{path}", entry.size)
        yield entry, content

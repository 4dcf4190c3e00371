"""A layer -> its tree, and back, in the user namespace.

What takes a call is declared in `hermes.container.calls.layers`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from hermes.container.calls.layers import EXTRACT, PACK, Extraction, Packing
from hermes.container.inside.committing import publish
from hermes.container.inside.scratch import scratch_of, store_at
from hermes.container.stack import Blob
from hermes.errors import MissingBlobError
from hermes.layer import encodings, toc
from hermes.layer.apply import TreeWriter
from hermes.layer.compress import codec_of
from hermes.layer.content import Content, FileContent
from hermes.layer.entry import FILE
from hermes.layer.tar_reader import members
from hermes.layer.trees import describe_tree
from hermes.layer.write import Item, write_layer
from hermes.sandbox.idmap import has_one_id
from hermes.sandbox.remote import serves


@serves(EXTRACT)
def extract(call: Extraction) -> None:
    """Make the tree of a layer from a blob of the store. The caller holds the tree's lock."""
    digest = call.diff_id
    with store_at(call.home) as store, scratch_of(store) as scratch:
        name = f"layer {digest.short}"
        root = f"{scratch}/root"
        os.mkdir(root, 0o755)
        writer = TreeWriter(root, name=name, one_id=has_one_id())
        with encodings.open_tar(store, digest) as tar:
            for member in members(tar.read, name=name, unpadded=True):
                writer.add(member.entry, member.content)
            tar.check()
        describe_tree(scratch, writer.finish(), writer.owners)
        publish(store, digest, scratch)


@serves(PACK)
def pack(call: Packing) -> Blob:
    """Write the tar of a layer again from its tree.

    Raises `MissingBlobError`, and removes the tree, when the tree is no longer what the layer was.
    """
    digest = call.diff_id
    with store_at(call.home) as store:
        table = toc.load(store, digest)
        root = f"{store.trees}/{digest.hex}/root"
        written = None
        try:
            items = _items_of_tree(table, root)
            written = write_layer(items, blobs=store.blobs, codec=codec_of(call.codec), scratch=store.scratch)
        except FileNotFoundError:
            pass
        if written is None or written.encoding is None or written.toc.diff_id != digest:
            shutil.rmtree(f"{store.trees}/{digest.hex}", ignore_errors=True)
            raise MissingBlobError(f"the tree of layer {digest} was changed", digest=digest)
        encodings.record(store, digest, written.encoding)
        return Blob.of(written.encoding)


def _items_of_tree(table: toc.TableOfContents, root: str) -> Iterator[Item]:
    for entry in table.entries:
        content: Content | None = None
        if entry.type == FILE and entry.size:
            content = FileContent(f"{root}/{entry.path}", entry.size)
        yield entry._replace(digest=""), content

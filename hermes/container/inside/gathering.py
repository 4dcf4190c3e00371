"""A layer made of files in trees of the store, in the user namespace, which may read them all."""

from __future__ import annotations

from typing import Any

from hermes.container.inside.scratch import store_at
from hermes.digest import Digest
from hermes.errors import MissingBlobError
from hermes.layer import encodings, toc
from hermes.layer.canonical import canonical
from hermes.layer.compress import codec_of
from hermes.layer.content import Content, FileContent
from hermes.layer.entry import FILE
from hermes.layer.write import Item, write_layer


def gather(
    home: str, rows: list[list[Any]], sources: list[tuple[str, str]], name: str, codec: str
) -> dict[str, Any]:
    """Write a layer of entries, each with its bytes from a tree and a path in it; return its diff_id and size.

    Raises `MissingBlobError`, and removes the tree, when one does not hold what the entries say.
    """
    import shutil

    with store_at(home) as store:
        expected: dict[str, str] = {}
        items: list[Item] = []
        for row, (tree, path) in zip(rows, sources, strict=True):
            entry = toc.entry_of_row(row)
            content: Content | None = None
            if entry.type == FILE:
                expected[entry.digest] = tree
                if entry.size:
                    content = FileContent(f"{store.trees}/{tree}/root/{path}", entry.size)
                entry = entry._replace(digest="")
            items.append((entry, content))
        written = write_layer(canonical(items, name=name), blobs=store.blobs, codec=codec_of(codec))
        found = {entry.digest for entry in written.toc.entries if entry.type == FILE}
        for content_digest, tree in expected.items():
            if content_digest not in found:
                shutil.rmtree(f"{store.trees}/{tree}", ignore_errors=True)
                digest = Digest.from_hex(tree)
                raise MissingBlobError(f"{name}: the tree of layer {digest} was changed", digest=digest)
        toc.save(store, written.toc)
        if written.encoding is not None:
            encodings.record(store, written.toc.diff_id, written.encoding)
        return {"diff_id": written.toc.diff_id, "size": written.toc.size}

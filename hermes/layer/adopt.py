"""A compressed layer that somebody else made -> one that can be used: looked through once, and kept as it is."""

from __future__ import annotations

from hermes.digest import Digest
from hermes.errors import LayerError, MissingBlobError
from hermes.layer import encodings
from hermes.layer.ingest import Blob, check_contents, keep, look_through
from hermes.store import Store


def adopt(store: Store, diff_id: Digest) -> None:
    """Make the table of contents of a layer from its foreign blob, which must be in the store.

    Raises `LayerError` when it is not what ``diff_id`` says, which is then forgotten, or no layer at all.
    """
    if encodings.available(store, diff_id):
        return
    foreign = encodings.find_foreign(store, diff_id)
    if foreign is None or not store.blobs.has(foreign.digest, foreign.size):
        raise MissingBlobError(f"the store has no blob of layer {diff_id}", digest=diff_id)
    name = f"layer {foreign.digest.short}"
    blob = Blob(foreign.digest, foreign.size, diff_id)
    try:
        with store.blobs.open(foreign.digest) as file:
            found = look_through(file, name)
        check_contents(found, blob, name)
    except LayerError:
        encodings.forget_foreign(store, diff_id)
        raise
    keep(store, found, blob)

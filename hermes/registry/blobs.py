"""Blobs of which the store knows in which repositories they are."""

from __future__ import annotations

from hermes.errors import MissingBlobError
from hermes.image.descriptor import Descriptor
from hermes.image.media_types import is_external
from hermes.registry.client import Client
from hermes.registry.download import download
from hermes.store import Store


def fetch(client: Client, store: Store, blob: Descriptor) -> None:
    """Fetch a blob from where it was seen, or its URLs, unless the store has it whole.

    Raises `MissingBlobError` when it was seen nowhere, `RegistryError` when it cannot be fetched from there.
    """
    try:
        store.blobs.check(blob.digest, blob.size)
    except MissingBlobError as error:
        lost = error
    else:
        return
    names = store.blob_sources.of(blob.digest)
    sources = [source for name in reversed(names) for source in client.sources(name)]
    if not sources and not is_external(blob):
        raise lost
    download(client, list(dict.fromkeys(sources)), blob, store)

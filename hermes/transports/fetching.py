"""Layers and blobs that are known to be in a registry, fetched into the store once something needs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hermes.digest import Digest
from hermes.image.config import diff_ids_of
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Manifest
from hermes.image.media_types import is_external
from hermes.image.stored import descriptor_of, manifests_of
from hermes.layer import encodings
from hermes.layer.importing import import_recorded
from hermes.registry.blobs import fetch
from hermes.registry.client import Client
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.transports.transport import Needs


class LayerFetcher:
    """Fetches what `hermes.transports.taking` recorded and left where it was."""

    def __init__(self, client: Client, store: Store) -> None:
        self._client = client
        self._store = store

    def layer(self, diff_id: Digest) -> None:
        """Fetch a layer and import it; does nothing for one that is here, or that no record names.

        Raises `RegistryError`, or `LayerError` when it is not what its image says.
        """
        found = encodings.find_foreign(self._store, diff_id)
        if found is None or encodings.available(self._store, diff_id):
            return
        blob = Descriptor(found.media_type, found.digest, found.size, urls=found.urls)
        fetch(self._client, self._store, blob)
        import_recorded(self._store, diff_id)

    def complete(self, manifest: Digest, needs: Needs) -> None:
        """Fetch the blobs of an image, or of the images of an index, that a destination needs and the store lacks."""
        if not needs.blobs:
            return
        for image in manifests_of(descriptor_of(self._store, manifest), self._store):
            found = Manifest.parse(self._store.blobs.read(image.digest))
            layers = [one for one in found.layers if needs.external or not is_external(one)]
            blobs = {one.digest: one for one in (found.config, *layers)}
            lacking = [one for one in blobs.values() if not self._store.blobs.has(one.digest, one.size)]
            self._client.progress.expected(lacking, sending=False)
            self._client.each(lambda one: fetch(self._client, self._store, one), blobs.values())
            if needs.uncompressed:
                for diff_id in diff_ids_of(json.loads(self._store.blobs.read(found.config.digest))):
                    self.layer(diff_id)

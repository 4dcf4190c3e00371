"""What of a store is in use by working containers and by images that have a name."""

from __future__ import annotations

from collections.abc import Iterator

from hermes.container.state import States
from hermes.errors import HermesError
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES, Index, Manifest
from hermes.image.names import ImageNames
from hermes.layer import encodings
from hermes.store import Store


def held(store: Store) -> set[str]:
    """Return the digests, in hexadecimal, of blobs and layers that must stay."""
    return {one.rpartition(":")[2] for one in (*_of_containers(store), *_of_images(store))}


def _of_containers(store: Store) -> Iterator[str]:
    for state in States(store):
        for layer in state.stack:
            yield layer.diff_id
            encoding = encodings.find_any(store, layer.diff_id)
            if encoding is not None:
                yield encoding.digest
        yield from (one.digest for one in state.base)


def _of_images(store: Store) -> Iterator[str]:
    for _, descriptor in ImageNames(store):
        yield from _of_image(store, descriptor)


def _of_image(store: Store, one: Descriptor) -> Iterator[str]:
    yield one.digest
    try:
        data = store.blobs.read(one.digest)
        if one.media_type in INDEXES:
            for below in Index.parse(data).manifests:
                yield from _of_image(store, below)
            return
        manifest = Manifest.parse(data)
    except HermesError:
        return  # nothing is left of it to be kept
    yield manifest.config.digest
    yield from (layer.digest for layer in manifest.layers)

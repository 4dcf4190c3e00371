"""Images and indexes of the store as the blobs that they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hermes.digest import Digest
from hermes.image.descriptor import Descriptor
from hermes.image.layout import link_layout, tagged
from hermes.image.manifest import INDEXES, Index, Manifest, described
from hermes.image.media_types import is_external
from hermes.store import Store


def descriptor_of(store: Store, digest: Digest) -> Descriptor:
    """Return the descriptor of a manifest or index of the store; raises `MissingBlobError`."""
    return described(store.blobs.read(digest), str(digest))


def blobs_of(one: Descriptor, store: Store, *, external: bool = False) -> Iterator[Digest]:
    """Yield the blobs of an image or index, each once, a document after what it names.

    Layers that are downloaded from their own URLs are left out unless ``external``. Raises `MissingBlobError` when a document is
    not in the store.
    """
    yield from dict.fromkeys(_blobs(one, store, external=external))


def manifests_of(one: Descriptor, store: Store) -> Iterator[Descriptor]:
    """Yield the manifests of the images that a manifest or index stands for, with their platforms."""
    if one.media_type in INDEXES:
        for below in Index.parse(store.blobs.read(one.digest)).manifests:
            yield from manifests_of(below, store)
    else:
        yield one


def link_images(folder: Path, manifest: Descriptor, store: Store, tag: str) -> None:
    """Make a layout of links to the store's blobs, all of which must be there."""
    blobs = [(digest, store.blobs.path(digest)) for digest in blobs_of(manifest, store, external=True)]
    link_layout(folder, [tagged(manifest, tag)], blobs)


def _blobs(one: Descriptor, store: Store, *, external: bool) -> Iterator[Digest]:
    data = store.blobs.read(one.digest)
    if one.media_type in INDEXES:
        for below in Index.parse(data).manifests:
            yield from _blobs(below, store, external=external)
    else:
        manifest = Manifest.parse(data)
        yield manifest.config.digest
        yield from (layer.digest for layer in manifest.layers if external or not is_external(layer))
    yield one.digest

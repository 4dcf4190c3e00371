"""An image with its layers compressed another way: other blobs, the same configuration and diff_ids."""

from __future__ import annotations

from dataclasses import replace

from hermes.container.core import Containers
from hermes.image import docker
from hermes.image.config import diff_ids_of, parse_config
from hermes.image.descriptor import IMAGE_CONFIG, IMAGE_MANIFEST, Descriptor
from hermes.image.manifest import INDEXES, Index, Manifest
from hermes.image.media_types import has_form, layer_type
from hermes.layer.compress import Codec
from hermes.store import Store
from hermes.store.faults import storing


def recompressed(store: Store, containers: Containers, one: Descriptor, codec: Codec) -> Descriptor:
    """Return an image, or an index of images, whose layers are compressed with ``codec``; made unless it is there.

    An image in Docker's format becomes one in OCI's where Docker's has no such layers.
    """
    data = store.blobs.read(one.digest)
    if one.media_type in INDEXES:
        index = Index.parse(data)
        manifests = tuple(recompressed(store, containers, below, codec) for below in index.manifests)
        changed_index = Index(manifests, index.annotations)
        return _stored(store, one, changed_index.to_bytes(), changed_index.media_type)
    manifest = Manifest.parse(data)
    diff_ids = diff_ids_of(parse_config(store.blobs.read(manifest.config.digest)))
    is_docker = manifest.media_type == docker.MANIFEST and has_form(codec.name, is_docker=True)
    made = [containers.encoded(diff_id, codec) for diff_id in diff_ids]
    config = replace(manifest.config, media_type=docker.CONFIG if is_docker else IMAGE_CONFIG)
    changed = Manifest(
        config,
        tuple(
            Descriptor(layer_type(blob.form, is_docker=is_docker), blob.digest, blob.size) for blob in made
        ),
        manifest.annotations,
        docker.MANIFEST if is_docker else IMAGE_MANIFEST,
    )
    return _stored(store, one, changed.to_bytes(), changed.media_type)


def _stored(store: Store, before: Descriptor, data: bytes, media_type: str) -> Descriptor:
    with storing("the store"):
        digest = store.blobs.put(data)
    return replace(before, media_type=media_type, digest=digest, size=len(data))

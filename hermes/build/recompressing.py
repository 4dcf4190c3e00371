"""An image with its layers compressed another way: other blobs, the same configuration and diff_ids."""

from __future__ import annotations

from dataclasses import replace

from hermes.container.layer_forms import LayerForms
from hermes.digest import Digest
from hermes.image.assemble import DOCKER, OCI
from hermes.image.config import diff_ids_of, parse_config
from hermes.image.descriptor import IMAGE_INDEX, Descriptor
from hermes.image.manifest import INDEXES, Index, Manifest
from hermes.image.media_types import as_oci, form_of, has_form, is_distributable, layer_type
from hermes.layer.compress import Compression
from hermes.naming.registries import LazyBlobs
from hermes.sandbox.namespace import Namespace
from hermes.store import Store
from hermes.store.io_errors import storing


def recompressed(store: Store, fetching: LazyBlobs, one: Descriptor, how: Compression) -> Descriptor:
    """Return an image, or an index of images, whose layers are compressed as ``how`` says; made unless it is there.

    Layers that are compressed again are fetched if need be. An image in Docker's format becomes one in OCI's where
    Docker's has no such layers.
    """
    namespace = Namespace()
    try:
        return _recompressed(store, LayerForms(store, namespace, fetching.layer), one, how)
    finally:
        namespace.close()


def _recompressed(store: Store, forms: LayerForms, one: Descriptor, how: Compression) -> Descriptor:
    data = store.blobs.read(one.digest)
    if one.media_type in INDEXES:
        index = Index.parse(data)
        manifests = tuple(_recompressed(store, forms, below, how) for below in index.manifests)
        changed = replace(index, manifests=manifests, media_type=IMAGE_INDEX)
        return one if manifests == index.manifests else _stored(store, one, changed)
    manifest = Manifest.parse(data)
    diff_ids = diff_ids_of(parse_config(store.blobs.read(manifest.config.digest)))
    is_docker = manifest.media_type == DOCKER.manifest and has_form(how.codec.name, is_docker=True)
    layers = tuple(
        _layer(forms, layer, diff_id, how, is_docker=is_docker)
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=True)
    )
    if layers == manifest.layers:
        return one
    form = DOCKER if is_docker else OCI
    config = replace(manifest.config, media_type=form.config)
    return _stored(store, one, replace(manifest, config=config, layers=layers, media_type=form.manifest))


def _layer(
    forms: LayerForms, layer: Descriptor, diff_id: Digest, how: Compression, *, is_docker: bool
) -> Descriptor:
    if not is_distributable(layer.media_type):
        return layer if is_docker else as_oci(layer)
    media_type = layer_type(how.codec.name, is_docker=is_docker)
    if form_of(layer.media_type) == how.codec.name and not how.anew:
        return replace(layer, media_type=media_type)
    blob = forms.compressed(diff_id, how.codec)
    return Descriptor(media_type, blob.digest, blob.size)


def _stored(store: Store, before: Descriptor, document: Manifest | Index) -> Descriptor:
    data = document.to_bytes()
    with storing("the store"):
        digest = store.blobs.put(data)
    return replace(before, media_type=document.media_type, digest=digest, size=len(data))

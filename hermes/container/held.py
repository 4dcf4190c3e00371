"""What a store must keep: what is in use by working containers, by images that have a name, and by images in output folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from hermes.container.state import States
from hermes.digest import Digest
from hermes.errors import HermesError
from hermes.image.config import diff_ids_of, parse_config
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES, Index, Manifest, described
from hermes.image.names import ImageNames
from hermes.layer import encodings
from hermes.store import Store
from hermes.store.regular import regular

_LARGEST_DOCUMENT: Final = 8 << 20


def held(store: Store) -> set[str]:
    """Return the paths of what must stay: blobs, trees, and the notes of where blobs are that are not here."""
    return {*_of_containers(store), *_of_images(store), *_of_outputs(store)}


def _of_containers(store: Store) -> Iterator[str]:
    for state in States(store):
        for layer in state.stack:
            yield f"{store.trees}/{layer.diff_id.hex}"
            yield store.blobs.path(layer.diff_id)
            yield store.foreign_path(layer.diff_id)
            yield store.remote_blobs.path(layer.diff_id)
            encoding = encodings.find_any(store, layer.diff_id)
            if encoding is not None:
                yield store.blobs.path(encoding.digest)
        for blob in state.base:
            yield store.blobs.path(blob.digest)
            yield store.blob_sources.path(blob.digest)


def _of_images(store: Store) -> Iterator[str]:
    for _, descriptor in ImageNames(store):
        yield store.blobs.path(descriptor.digest)
        yield store.blob_sources.path(descriptor.digest)
        for one, manifest in _manifests_of(store, descriptor):
            yield store.blobs.path(one.digest)
            yield store.blob_sources.path(one.digest)
            yield from (store.blobs.path(blob.digest) for blob in (manifest.config, *manifest.layers))
            yield from _notes_of(store, manifest)


def _of_outputs(store: Store) -> Iterator[str]:
    """Yield what something outside of the store links: hard links keep it anyway, but not the notes of its images."""
    linked = set(store.linked())
    yield from linked
    for entry in os.scandir(store.blobs.folder):
        status = entry.stat(follow_symlinks=False)
        is_linked = status.st_nlink > 1 or entry.path in linked
        if is_linked and status.st_size <= _LARGEST_DOCUMENT and _is_object(entry.path):
            try:
                found = described(store.blobs.read(Digest.from_hex(entry.name)), entry.name)
            except HermesError:
                continue  # another document
            for _, manifest in _manifests_of(store, found):
                yield from _notes_of(store, manifest)


def _manifests_of(store: Store, one: Descriptor) -> Iterator[tuple[Descriptor, Manifest]]:
    """Yield the manifests of an image, or of the images of an index, that are there and right."""
    try:
        data = store.blobs.read(one.digest)
        if one.media_type not in INDEXES:
            yield one, Manifest.parse(data)
            return
        manifests = Index.parse(data).manifests
    except HermesError:
        return  # nothing is left of it to be kept
    for below in manifests:
        yield from _manifests_of(store, below)


def _notes_of(store: Store, manifest: Manifest) -> Iterator[str]:
    for one in (manifest.config, *manifest.layers):
        yield store.blob_sources.path(one.digest)
        yield store.remote_blobs.path(one.digest)
    try:
        diff_ids = diff_ids_of(parse_config(store.blobs.read(manifest.config.digest)))
    except HermesError:
        return
    for diff_id in diff_ids:
        yield store.foreign_path(diff_id)
        yield store.remote_blobs.path(diff_id)


def _is_object(path: str) -> bool:
    try:
        with open(path, "rb", opener=regular) as file:
            return file.read(1) == b"{"
    except (FileNotFoundError, IsADirectoryError):
        return False

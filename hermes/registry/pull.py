"""An image of a registry into the store: its documents, and its layers at once or when somebody needs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hermes.digest import Digest
from hermes.errors import ImageError, MissingBlobError, RegistryError, UsageError
from hermes.image import docker
from hermes.image.config import diff_ids_of, parse_config, platform_of
from hermes.image.descriptor import IMAGE_CONFIG, Descriptor
from hermes.image.manifest import Manifest
from hermes.image.media_types import is_external
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.layer import encodings
from hermes.layer.adopt import adopt
from hermes.registry.client import Client
from hermes.registry.download import download
from hermes.registry.endpoint import NotThere
from hermes.registry.images import descriptor_of, manifests_of
from hermes.registry.nondistributable import check, promise
from hermes.registry.platforms import chosen, no_such_platform, rows_of, suits
from hermes.registry.repository import INDEXES, Document, Repository
from hermes.store import Store

LARGEST_CONFIG: Final = 8 << 20

_CONFIGS: Final = frozenset({IMAGE_CONFIG, docker.CONFIG})
_MOST_LAYERS: Final = 500


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image whose documents are in the store: its manifest, and its layers' diff_ids, the lowest first."""

    manifest: Descriptor
    config: Descriptor
    diff_ids: tuple[Digest, ...]


def resolve(client: Client, name: Reference) -> tuple[Document, Repository]:
    """Return the manifest or index that a name means, and where it was found: on a mirror, or at home.

    Raises `RegistryError`, or `UsageError` when there is no such image.
    """
    reference = str(name.digest or name.tag)
    problems = []
    failure: RegistryError | None = None
    for source in client.sources(name.name):
        try:
            return source.manifest(reference), source
        except NotThere:
            problems.append(f"{source.name} has no {reference}")
        except RegistryError as error:
            failure = error
            problems.append(error.message)
    if failure is not None and len(problems) == 1:
        raise failure
    if len(problems) == 1:
        raise UsageError(f"there is no image {name} in the registry", hint="check its name and its tag")
    shown = "".join(f"\n  {one}" for one in problems)
    raise RegistryError(f"{name} could not be read{shown}", hint="check its name and its tag")


def pull(client: Client, name: Reference, store: Store, platform: Platform, *, layers: bool = True) -> Pulled:
    """Take the image that a name means into the store; without ``layers``, note only where those are.

    Raises `RegistryError`, `ImageError` when it is not what it says, `UsageError` when it is not there or not
    for the platform.
    """
    found, source = resolve(client, name)
    what = str(name)
    is_index = found.descriptor.media_type in INDEXES
    if is_index:
        store.blobs.put(found.data)
        row = chosen(rows_of(found.data, what), platform, what)
        found, source = resolve(client, Reference(name.host, name.path, "", row.digest))
        if found.descriptor.media_type in INDEXES:
            raise ImageError(f"{what}: its index leads to another index")
    with _of(what):
        manifest = Manifest.parse(found.data)
    _check(manifest, what)
    check(manifest, what, kept=client.registries.keeps_nondistributable(name.name))
    sources = [source, *(one for one in client.sources(name.name) if one != source)]
    download(client, sources, manifest.config, store)
    diff_ids = _diff_ids(store, manifest, platform if not is_index else None, what)
    store.blobs.put(found.data)
    for layer, diff_id in zip(manifest.layers, diff_ids, strict=True):
        promise(store, diff_id, layer)
        for place in dict.fromkeys((name.name, source.name)):  # what a mirror has, its original has as well
            store.places.add(layer.digest, place)
    if layers:
        wanted = [one for one in _once(manifest.layers) if not is_external(one)]
        client.each(lambda one: download(client, sources, one, store), wanted)
    descriptor = Descriptor(manifest.media_type, found.descriptor.digest, found.descriptor.size)
    return Pulled(descriptor, manifest.config, diff_ids)


class Fetcher:
    """Brings what is only in a registry into the store, once somebody needs it."""

    def __init__(self, client: Client, store: Store) -> None:
        self._client = client
        self._store = store

    def layer(self, diff_id: Digest) -> None:
        """Bring a layer, look it through and note what is in it; does nothing for one that no registry has.

        Raises `RegistryError`, or `LayerError` when it is not what it says.
        """
        found = encodings.find_foreign(self._store, diff_id)
        if found is None or encodings.available(self._store, diff_id):
            return
        self.blob(Descriptor(found.media_type, found.digest, found.size, urls=found.urls))
        adopt(self._store, diff_id)

    def blob(self, blob: Descriptor) -> None:
        """Bring a blob from where it was seen, or its URLs; raises `MissingBlobError` when that is nowhere."""
        if self._store.blobs.has(blob.digest, blob.size):
            return
        names = self._store.places.of(blob.digest)
        sources = [source for name in reversed(names) for source in self._client.sources(name)]
        if not sources and not is_external(blob):
            raise MissingBlobError(f"the store has no blob {blob.digest}", digest=blob.digest)
        download(self._client, list(dict.fromkeys(sources)), blob, self._store)

    def complete(self, manifest: Digest, *, external: bool = False, adopted: bool = False) -> None:
        """Bring all blobs of an image, or of the images of an index.

        ``external``: those of layers that are had from URLs, too; ``adopted``: layers can then be read uncompressed.
        """
        for image in manifests_of(descriptor_of(self._store, manifest), self._store):
            found = Manifest.parse(self._store.blobs.read(image.digest))
            layers = [one for one in found.layers if external or not is_external(one)]
            self._client.each(self.blob, _once((found.config, *layers)))
            if adopted:
                for diff_id in diff_ids_of(json.loads(self._store.blobs.read(found.config.digest))):
                    self.layer(diff_id)


@contextmanager
def _of(what: str) -> Iterator[None]:
    """Say of which image it is that an `ImageError` speaks."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{what}: {error.message}", hint=error.hint) from None


def _check(manifest: Manifest, what: str) -> None:
    """Raise `ImageError` for what is no image, or one that cannot be copied."""
    if manifest.config.media_type not in _CONFIGS:
        raise ImageError(
            f"{what} is no image but an artifact with a configuration of {manifest.config.media_type}",
            hint="name an image",
        )
    if manifest.config.size > LARGEST_CONFIG:
        raise ImageError(f"{what}: its configuration has more than {LARGEST_CONFIG >> 20} MiB")
    if len(manifest.layers) > _MOST_LAYERS:
        raise ImageError(f"{what} has more than {_MOST_LAYERS} layers")


def _diff_ids(store: Store, manifest: Manifest, platform: Platform | None, what: str) -> tuple[Digest, ...]:
    with _of(what):
        document = parse_config(store.blobs.read(manifest.config.digest))
    diff_ids = diff_ids_of(document)
    if len(diff_ids) != len(manifest.layers):
        raise ImageError(f"{what}: the manifest and the configuration differ in their layers")
    if platform is not None and not suits(there := platform_of(document), platform):
        raise no_such_platform(what, platform, [there])
    return tuple(diff_ids)


def _once(blobs: Iterable[Descriptor]) -> list[Descriptor]:
    return list({one.digest: one for one in blobs}.values())

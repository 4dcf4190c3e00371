"""Blobs and documents of which the store knows in which repositories they are."""

from __future__ import annotations

from typing import Final

from hermes.digest import Digest
from hermes.errors import MissingBlobError, RegistryError
from hermes.image.descriptor import Descriptor
from hermes.image.media_types import is_external
from hermes.registry.answers import Cut, NotThere, read_document
from hermes.registry.client import Client
from hermes.registry.download import download
from hermes.registry.repository import Repository
from hermes.store import Store
from hermes.store.io_errors import storing

_LARGEST: Final = 8 << 20


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


def fetch_document(client: Client, store: Store, digest: Digest) -> bool:
    """Fetch a manifest, an index or a configuration from where it was seen; tell whether that was anywhere.

    Raises `RegistryError` when it cannot be fetched from there.
    """
    names = store.blob_sources.of(digest)
    problems: list[str] = []
    for source in dict.fromkeys(source for name in reversed(names) for source in client.sources(name)):
        try:
            data = _document(source, digest)
        except NotThere:
            problems.append(f"{source.name} does not have it")
        except RegistryError as error:
            problems.append(error.message)
        else:
            with storing("the store"):
                store.blobs.put(data)
            return True
    if problems:
        raise RegistryError("; ".join(problems), hint="build or pull what it belongs to again")
    return False


def _document(source: Repository, digest: Digest) -> bytes:
    """Return a document: a registry has configurations among its blobs, and manifests elsewhere."""
    what = f"{source.name}: {digest}"
    try:
        with source.blob(digest) as answer:
            data = read_document(answer, _LARGEST, what)
    except NotThere:
        return source.manifest(str(digest)).data
    except Cut as error:
        raise RegistryError(f"{what}: {error}") from None
    if Digest.of(data) != digest:
        raise RegistryError(f"{what}: what came has the digest {Digest.of(data)}")
    return data

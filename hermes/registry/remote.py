"""``docker://HOST/PATH[:TAG][@DIGEST]``: images in registries, as where images come from and go to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.layer.compress import Source
from hermes.registry.client import Client, parse_name
from hermes.registry.prefixes import TRANSPORT
from hermes.registry.pull import pull, resolve
from hermes.registry.push import Job, push
from hermes.registry.repository import INDEXES, MANIFESTS
from hermes.store import Store


def take_in(
    text: str, store: Store, platform: Platform, client: Client, *, lazy: bool = False
) -> tuple[Descriptor, str]:
    """Take an image into the store; return its manifest, and what it is called there.

    What is in its layers is looked at when that is needed, and with ``lazy`` they are downloaded only then.
    """
    name = parse_name(text)
    return pull(client, name, store, platform, layers=not lazy).manifest, title_of(name)


def title_of(name: Reference) -> str:
    """Return what a local image is called that came from a registry."""
    return str(Reference(name.host, name.path, name.tag))


def destination(text: str, client: Callable[[], Client]) -> Destination:
    """Return where ``docker://NAME`` is; raises `UsageError`. ``client`` is called when something is written there."""
    name = parse_name(text)
    return Destination(name, client, has_tag=":" in text.removeprefix(TRANSPORT).rpartition("/")[2])


class Origin:
    """An image in a registry; see `hermes.registry.origins.Origin`.

    Blobs come through the store, where they are resumed and verified.
    """

    def __init__(self, name: str, reference: Reference, client: Client, store: Store) -> None:
        self.name = name
        self.title = title_of(reference)
        self._reference = reference
        self._client = client
        self._store = store
        self._known: dict[Digest, bytes] = {}

    def root(self) -> Descriptor:
        return self._resolved(self._reference)

    def document(self, one: Descriptor) -> bytes:
        if one.media_type in INDEXES | MANIFESTS:
            if one.digest not in self._known:
                self._resolved(Reference(self._reference.host, self._reference.path, "", one.digest))
            return self._known[one.digest]
        self._download(one)
        return self._store.blobs.read(one.digest)

    def open(self, one: Descriptor) -> AbstractContextManager[Source]:
        self._download(one)
        return self._store.blobs.open(one.digest)

    def _resolved(self, reference: Reference) -> Descriptor:
        found, _ = resolve(self._client, reference)
        self._known[found.descriptor.digest] = found.data
        return found.descriptor

    def _download(self, one: Descriptor) -> None:
        from hermes.registry.download import download

        download(self._client, self._client.sources(self._reference.name), one, self._store)


@dataclass(frozen=True, slots=True)
class Destination:
    """See `hermes.registry.transports.Destination`. ``has_tag``: the user said which."""

    name: Reference
    client: Callable[[], Client]
    has_tag: bool

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        """Push an image. Without a tag it gets the one of ``name``; with a digest, it must have that."""
        push(self.client(), store, [self.job(manifest, name)])

    def job(self, manifest: Descriptor, name: str) -> Job:
        """Return what is to be pushed."""
        digest = self.name.digest
        if digest is not None and digest != manifest.digest:
            raise UsageError(
                f"{TRANSPORT}{self.name}: the image has the digest {manifest.digest}",
                hint="name a tag instead of a digest",
            )
        tag = self.name.tag if self.has_tag and self.name.tag else name.rpartition(":")[2]
        return Job(manifest, self.name.name, () if digest and not self.name.tag else (tag or "latest",))

"""``docker://HOST/PATH[:TAG][@DIGEST]``: images in registries, as where images come from and go to."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.digest import Digest
from hermes.errors import UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.registry.client import Client, parse_name
from hermes.registry.pull import pull, resolve
from hermes.registry.push import Job, push
from hermes.registry.repository import Document
from hermes.registry.settings import TRANSPORT, Registries
from hermes.store import Store


def origin(text: str, registries: Registries | None = None) -> Origin:
    """Return the image that ``docker://NAME`` names, unread; raises `UsageError`."""
    return Origin(parse_name(text), Client(registries))


def destination(text: str, registries: Registries | None = None) -> Destination:
    """Return where ``docker://NAME`` is; raises `UsageError`."""
    name = parse_name(text)
    return Destination(
        name, Client(registries), has_tag=":" in text.removeprefix(TRANSPORT).rpartition("/")[2]
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """An image in a registry, to be read."""

    name: Reference
    client: Client

    def document(self, digest: Digest | None = None) -> Document:
        """Return the manifest or index with a digest, or the one that has the name; raises `RegistryError`."""
        wanted = Reference(self.name.host, self.name.path, "", digest) if digest else self.name
        return resolve(self.client, wanted)[0]

    def blob(self, blob: Descriptor, store: Store) -> None:
        """Take a blob of the image into the store."""
        from hermes.registry.download import download

        download(self.client, self.client.sources(self.name.name), blob, store)

    def take_in(self, store: Store, platform: Platform, *, layers: bool = True) -> Descriptor:
        """Take the image for a platform into the store and return its manifest; see `hermes.registry.pull.pull`."""
        with self.client:
            return pull(self.client, self.name, store, platform, layers=layers).manifest


@dataclass(frozen=True, slots=True)
class Destination:
    """See `hermes.registry.transports.Destination`. ``has_tag``: the user said which."""

    name: Reference
    client: Client
    has_tag: bool

    def write(self, manifest: Descriptor, store: Store, name: str) -> None:
        """Push an image. Without a tag it gets the one of ``name``; with a digest, it must have that."""
        with self.client:
            push(self.client, store, [self.job(manifest, name)])

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

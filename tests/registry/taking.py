"""Images of a registry that does what it is told to: taken, refused, and sent."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from hermes.digest import Digest
from hermes.errors import HermesError, RegistryError
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.registry.client import Client
from hermes.store import Store
from hermes.transports.examining import Image
from hermes.transports.table import opened
from hermes.transports.taking import import_image
from tests.registry.faulty import FaultyRegistry

AMD64 = Platform("linux", "amd64")


def layer(size: int) -> bytes:
    """A tar archive of one file with random bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = size
        archive.addfile(info, io.BytesIO(os.urandom(size)))
    return buffer.getvalue()


def pull(client: Client, text: str, store: Store, platform: Platform = AMD64) -> Image:
    """Import the image that ``docker://NAME`` names."""
    with opened(text, store, lambda: client) as origin:
        return import_image(origin, store, platform)


def take(client: Client, faulty: FaultyRegistry, store: Store, reference: str = ":v") -> Image:
    return pull(client, f"docker://{faulty.host}/team/app{reference}", store)


def refused(
    client: Client, faulty: FaultyRegistry, store: Store, kind: type[HermesError] = RegistryError
) -> str:
    """The message of a pull that fails; the store must then hold no image and nothing half."""
    with pytest.raises(kind) as error:
        take(client, faulty, store)
    for entry in os.scandir(store.blobs.folder):
        assert store.blobs.verify(Digest.from_hex(entry.name))
    assert not [one for one in os.scandir(store.home / "tmp") if list(os.scandir(one.path))]
    return str(error.value)


def image_in(store: Store, *sizes: int) -> Descriptor:
    """An image in the store."""
    source = FaultyRegistry()
    digest = Digest(source.add_image([layer(size) for size in sizes]))
    for data in source.blobs.values():
        store.blobs.put(data)
    data, kind = source.manifests[digest]
    return Descriptor(kind, store.blobs.put(data), len(data))


def cut_after(faulty: FaultyRegistry, count: int):
    """Keep ``count`` bytes of what is sent, and hang up."""

    def answer(handler: object) -> None:
        name = handler.path.partition("?")[0].rpartition("/")[2]
        faulty.uploads[name] += handler.rfile.read(count)
        faulty.received += count
        handler.close_connection = True

    return answer

"""Tags pinned to digests, for each platform."""

from __future__ import annotations

from collections.abc import Sequence

from hermes.digest import Digest
from hermes.errors import ImageError
from hermes.image.config import parse_config, platform_of
from hermes.image.manifest import Manifest
from hermes.image.platform import Platform
from hermes.registry.client import Client, parse_name
from hermes.registry.download import download
from hermes.registry.platforms import chosen, no_such_platform, rows_of, suits
from hermes.registry.prefixes import TRANSPORT
from hermes.registry.pull import LARGEST_CONFIG, resolve
from hermes.registry.repository import INDEXES
from hermes.store import Store


def pins(client: Client, ref: str, platforms: Sequence[str], store: Store) -> dict[str, str]:
    """Return the digests of the manifests that a name has now, by platform.

    Raises `RegistryError`, or `UsageError` when the image is not there or not for one of the platforms.
    """
    name = parse_name(TRANSPORT + ref)
    found, source = resolve(client, name)
    wanted = [Platform.parse(one) for one in platforms]
    if found.descriptor.media_type in INDEXES:
        rows = rows_of(found.data, ref)
        return {str(one): str(chosen(rows, one, ref).digest) for one in wanted}
    config = Manifest.parse(found.data).config
    if config.size > LARGEST_CONFIG:
        raise ImageError(f"{ref}: its configuration has more than {LARGEST_CONFIG >> 20} MiB")
    download(client, [source], config, store)
    there = platform_of(parse_config(store.blobs.read(config.digest)))
    for one in wanted:
        if not suits(there, one):
            raise no_such_platform(ref, one, [there])
    digest: Digest = found.descriptor.digest
    return {str(one): str(digest) for one in wanted}

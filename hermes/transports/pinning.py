"""Tags pinned to digests, for each platform."""

from __future__ import annotations

from collections.abc import Sequence

from hermes.image.platform import Platform
from hermes.registry.client import Client
from hermes.store import Store
from hermes.transports import REGISTRY
from hermes.transports.examining import choose
from hermes.transports.table import opened


def pins(client: Client, ref: str, platforms: Sequence[str], store: Store) -> dict[str, str]:
    """Return the digests of the manifests that a name has now, by platform.

    Raises `RegistryError`, and as `hermes.transports.examining.choose` does.
    """
    with opened(f"{REGISTRY}{ref}", store, lambda: client) as origin:
        return {
            str(one): str(choose(origin, one).descriptor.digest) for one in map(Platform.parse, platforms)
        }

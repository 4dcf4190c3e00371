"""Tags pinned to digests, for each platform."""

from __future__ import annotations

from collections.abc import Sequence

from hermes.digest import Digest
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.layer import toc
from hermes.layer.folders import notable, noted
from hermes.layer.importing import import_recorded
from hermes.layer.view import View
from hermes.registry.client import Client
from hermes.store import Store
from hermes.transports import REGISTRY
from hermes.transports.examining import choose
from hermes.transports.table import opened
from hermes.transports.taking import import_image


def pins(client: Client, ref: str, platforms: Sequence[str], store: Store) -> dict[str, str]:
    """Return the digests of the manifests that a name has now, by platform.

    Raises `RegistryError`, and as `hermes.transports.examining.choose` does.
    """
    with opened(f"{REGISTRY}{ref}", store, lambda: client) as origin:
        return {
            str(one): str(choose(origin, one).descriptor.digest) for one in map(Platform.parse, platforms)
        }


def folders_of(client: Client, ref: str, platform: str, digest: str, store: Store) -> dict[str, str]:
    """Return what images on an image have to know of its tree, as `hermes.layer.folders.noted` writes it.

    Its layers are downloaded for that, and stay in the store. Raises as `hermes.transports.taking.import_image` does.
    """
    name = Reference.parse(ref)
    exact = Reference(name.host, name.path, "", Digest.parse(digest))
    with opened(f"{REGISTRY}{exact}", store, lambda: client) as origin:
        image = import_image(origin, store, Platform.parse(platform))
    tables = []
    for _, diff_id in image.layers:
        import_recorded(store, diff_id)
        tables.append(toc.load(store, diff_id))
    return noted(notable(View(tables)))

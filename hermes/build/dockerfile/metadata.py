"""What ``--metadata-file`` says of images, with the keys of docker buildx."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.image.config import parse_config, platform_of
from hermes.image.manifest import INDEXES, Manifest
from hermes.image.reference import Reference
from hermes.store import Store


def metadata_of(built: BuiltDockerfile, names: Sequence[str], home: Path) -> dict[str, Any]:
    """Return what is said of one image, which has ``names``; an index has no configuration."""
    manifest = built.manifest
    descriptor: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": manifest.size,
    }
    found: dict[str, Any] = {}
    if manifest.media_type not in INDEXES:
        store = Store.open(home)
        try:
            with store.in_use():
                config = Manifest.parse(store.blobs.read(manifest.digest)).config.digest
                platform = platform_of(parse_config(store.blobs.read(config)))
        finally:
            store.close()
        found["containerimage.config.digest"] = config
        descriptor["platform"] = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            descriptor["platform"]["variant"] = platform.variant
    found["containerimage.descriptor"] = descriptor
    found["containerimage.digest"] = manifest.digest
    if names:
        found["image.name"] = ",".join(_whole(one) for one in names)
    return found


def _whole(name: str) -> str:
    """Return a name as buildx says it: with its registry and its tag."""
    return str(Reference.parse(name).full)

"""Layers that may not be distributed, such as those of Windows: refused, or kept as they are where that is asked.

A layer that is kept stays a row of the manifest. Its blob is had from the URLs of its descriptor, so it is taken along
only to where it has to be looked into; one without URLs can be had nowhere else and travels as others do. See
image-spec, layer.md, "Non-Distributable Layers".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes.digest import Digest
from hermes.errors import ImageError
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Manifest
from hermes.image.media_types import is_distributable

if TYPE_CHECKING:
    from hermes.store import Store


def check(manifest: Manifest, what: str, *, kept: bool) -> None:
    """Raise `ImageError` for an image with such layers, unless they are to be ``kept``."""
    for layer in manifest.layers if not kept else ():
        if not is_distributable(layer.media_type):
            raise ImageError(
                f"{what}: its layer {layer.digest.short} may not be distributed ({layer.media_type})",
                hint="to take the image without its bytes, say --keep-nondistributable (of pull and copy), "
                "or keep_nondistributable: true for its registry in hermes.yaml",
            )


def promise(store: Store, diff_id: Digest, layer: Descriptor) -> None:
    """Note of a layer that is not here, and is not taken in, where it can be had."""
    from hermes.layer import encodings

    if not encodings.available(store, diff_id):
        blob = encodings.Foreign(layer.digest, layer.size, layer.media_type, layer.urls)
        encodings.record_foreign(store, diff_id, blob)

"""Docker's forms of the image documents: image manifest version 2, schema 2.

See the distribution project's "Image Manifest Version 2, Schema 2". Layers are gzip; the configuration is that of
an OCI image with some more settings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hermes.image.descriptor import Descriptor

MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG: Final = "application/vnd.docker.container.image.v1+json"
LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

SETTINGS: Final = ("Healthcheck", "OnBuild", "Shell")
"""The settings that an OCI image does not have."""

_LAYERS: Final = {
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    LAYER: "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar": "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
}


def as_oci(layer: Descriptor) -> Descriptor:
    """Return a layer with OCI's name for its form, as an OCI manifest has it: the same blob.

    See image-spec, media-types.md, "Compatibility Matrix". What is of the layer's own manifest is left out.
    """
    return replace(
        layer, media_type=_LAYERS.get(layer.media_type, layer.media_type), annotations=(), platform=None
    )

"""Docker's forms of the image documents: image manifest version 2, schema 2.

See the distribution project's "Image Manifest Version 2, Schema 2". Layers are gzip; the configuration is that of
an OCI image with some more settings.
"""

from __future__ import annotations

from typing import Final

MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG: Final = "application/vnd.docker.container.image.v1+json"
LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

SETTINGS: Final = ("Healthcheck", "OnBuild", "Shell")
"""The settings that an OCI image does not have."""

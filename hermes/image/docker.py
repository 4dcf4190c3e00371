"""Docker's forms of the image documents: image manifest version 2, schema 2.

See the distribution project's "Image Manifest Version 2, Schema 2". Layers are gzip; the configuration is that of
an OCI image with the settings of `hermes.image.edit.DOCKER_ONLY`.
"""

from __future__ import annotations

from typing import Final

MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG: Final = "application/vnd.docker.container.image.v1+json"
LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

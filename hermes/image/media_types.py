"""Media types of layers, in the families of OCI and of Docker.

See image-spec, media-types.md, and the distribution project's "Image Manifest Version 2, Schema 2".
"""

from __future__ import annotations

from typing import Final

from hermes.errors import ImageError
from hermes.image import docker

_OCI: Final = "application/vnd.oci.image.layer.v1.tar"
_OCI_FORMS: Final = {"": _OCI, "gzip": f"{_OCI}+gzip", "zstd": f"{_OCI}+zstd"}
_DOCKER_FORMS: Final = {"": "application/vnd.docker.image.rootfs.diff.tar", "gzip": docker.LAYER}
_FOREIGN: Final = (
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
)
_LAYERS: Final = frozenset(
    {
        *_OCI_FORMS.values(),
        *_DOCKER_FORMS.values(),
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        *_FOREIGN,
    }
)


def is_layer(media_type: str) -> bool:
    """Tell whether a media type is that of a file system layer."""
    return media_type in _LAYERS


def is_distributable(media_type: str) -> bool:
    """Tell whether a layer may be given to others; what may not be is often not there to be read."""
    return media_type not in _FOREIGN


def form_of(media_type: str) -> str | None:
    """Return the form of a layer by its media type, or None when that is no layer's."""
    if not is_layer(media_type):
        return None
    return next((form for form in ("gzip", "zstd") if media_type.endswith(form)), "")


def layer_type(form: str, *, is_docker: bool = False) -> str:
    """Return the media type of a layer in a form of `hermes.layer.write.Encoding`.

    Raises `ImageError` where Docker's format has no such form.
    """
    forms = _DOCKER_FORMS if is_docker else _OCI_FORMS
    if form not in forms:
        raise ImageError(f"an image in Docker's format has no layers in the form {form}")
    return forms[form]


def has_form(form: str, *, is_docker: bool) -> bool:
    """Tell whether a format of images has layers in a form."""
    return form in (_DOCKER_FORMS if is_docker else _OCI_FORMS)

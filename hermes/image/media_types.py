"""Media types of layers, in the families of OCI and of Docker.

See image-spec, media-types.md, and the distribution project's "Image Manifest Version 2, Schema 2". A layer that may
not be distributed has a type of its own ("Non-Distributable Layers" in layer.md, "foreign" at Docker); where its
descriptor has URLs, images are passed on without its blob.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hermes.errors import ImageError
from hermes.image import docker
from hermes.image.descriptor import Descriptor

_OCI: Final = "application/vnd.oci.image.layer.v1.tar"
_OCI_FOREIGN: Final = "application/vnd.oci.image.layer.nondistributable.v1.tar"
_DOCKER: Final = "application/vnd.docker.image.rootfs.diff.tar"
_DOCKER_FOREIGN: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar"

_FORMS: Final[Mapping[tuple[bool, bool], Mapping[str, str]]] = {
    (False, True): {"": _OCI, "gzip": f"{_OCI}+gzip", "zstd": f"{_OCI}+zstd"},
    (False, False): {"": _OCI_FOREIGN, "gzip": f"{_OCI_FOREIGN}+gzip", "zstd": f"{_OCI_FOREIGN}+zstd"},
    (True, True): {"": _DOCKER, "gzip": docker.LAYER},
    (True, False): {"": _DOCKER_FOREIGN, "gzip": f"{_DOCKER_FOREIGN}.gzip"},
}
"""The types by form, of Docker's format or OCI's, for layers that may be distributed or not."""

_FOREIGN: Final = frozenset({*_FORMS[False, False].values(), *_FORMS[True, False].values()})
_LAYERS: Final = frozenset(
    {*_FORMS[False, True].values(), *_FORMS[True, True].values(), f"{_DOCKER}.zstd", *_FOREIGN}
)


def is_layer(media_type: str) -> bool:
    """Tell whether a media type is that of a file system layer."""
    return media_type in _LAYERS


def is_distributable(media_type: str) -> bool:
    """Tell whether a layer may be given to others."""
    return media_type not in _FOREIGN


def is_external(layer: Descriptor) -> bool:
    """Whether the layer must be downloaded from its ``urls`` (a foreign layer), not from the image's registry."""
    return bool(layer.urls) and not is_distributable(layer.media_type)


def form_of(media_type: str) -> str | None:
    """Return the compression of a layer by its media type, or None when the type is not a layer's."""
    if not is_layer(media_type):
        return None
    return next((form for form in ("gzip", "zstd") if media_type.endswith(form)), "")


def layer_type(form: str, *, is_docker: bool = False, distributable: bool = True) -> str:
    """Return the media type of a layer in a form of `hermes.layer.write.Encoding`.

    Raises `ImageError` where Docker's format has no such form.
    """
    forms = _FORMS[is_docker, distributable]
    if form not in forms:
        raise ImageError(f"an image in Docker's format cannot have layers compressed with {form}")
    return forms[form]


def has_form(form: str, *, is_docker: bool) -> bool:
    """Tell whether a format of images has layers in a form."""
    return form in _FORMS[is_docker, True]


def as_oci(layer: Descriptor) -> Descriptor:
    """Return a layer with OCI's name for its form, as an OCI manifest has it: the same blob."""
    return as_format(layer, is_docker=False)


def as_format(layer: Descriptor, *, is_docker: bool) -> Descriptor:
    """Return a layer with the name that Docker's format or OCI's has for its form: the same blob.

    See image-spec, media-types.md, "Compatibility Matrix". What is of the layer's own manifest is left out. Raises `ImageError`
    where the format has no such form.
    """
    form = form_of(layer.media_type)
    media_type = (
        layer_type(form, is_docker=is_docker, distributable=is_distributable(layer.media_type))
        if form is not None
        else layer.media_type
    )
    return replace(layer, media_type=media_type, annotations=(), platform=None)

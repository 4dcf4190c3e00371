"""Descriptors: a blob's media type, digest and size; see image-spec, descriptor.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hermes.digest import Digest
from hermes.errors import HermesError, ImageError
from hermes.image.platform import Platform

IMAGE_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
IMAGE_INDEX: Final = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
REF_NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation that names a manifest in a layout; see image-spec, annotations.md."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """``size`` is in bytes; ``annotations`` are pairs sorted by name; ``urls`` are where else the blob can be downloaded."""

    media_type: str
    digest: Digest
    size: int
    annotations: tuple[tuple[str, str], ...] = ()
    platform: Platform | None = None
    urls: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"digest": self.digest, "mediaType": self.media_type, "size": self.size}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform:
            names = {"os": self.platform.os, "architecture": self.platform.architecture}
            document["platform"] = names | (
                {"variant": self.platform.variant} if self.platform.variant else {}
            )
        if self.urls:
            document["urls"] = list(self.urls)
        return document

    @classmethod
    def from_json(cls, document: Any) -> Descriptor:
        """Raises `ImageError` when a required field is missing or of another type."""
        if not isinstance(document, Mapping):
            raise ImageError("a descriptor is not an object")
        media_type, digest, size = (document.get(name) for name in ("mediaType", "digest", "size"))
        if (
            not isinstance(media_type, str)
            or not isinstance(digest, str)
            or type(size) is not int
            or size < 0
        ):
            raise ImageError("a descriptor has no mediaType, digest and size")
        try:
            parsed = Digest.parse(digest)
        except HermesError as error:
            raise ImageError(f"a descriptor: {error.message}") from None
        pairs = annotations_of(document, "a descriptor")
        urls = document.get("urls") or []
        if not isinstance(urls, list) or not all(isinstance(one, str) for one in urls):
            raise ImageError("a descriptor's urls are not a list of texts")
        return cls(media_type, parsed, size, pairs, _platform(document.get("platform")), tuple(urls))


def annotations_of(document: Mapping[str, Any], what: str) -> tuple[tuple[str, str], ...]:
    """Return the annotations of a document, sorted by name; raises `ImageError`, calling the document ``what``."""
    found = document.get("annotations") or {}
    if not isinstance(found, Mapping) or not all(isinstance(value, str) for value in found.values()):
        raise ImageError(f"{what}'s annotations are not a mapping of texts")
    return tuple(sorted(found.items()))


def _platform(document: Any) -> Platform | None:
    if not isinstance(document, Mapping):
        return None
    names = (document.get(name) or "" for name in ("os", "architecture", "variant"))
    return Platform(*map(str, names))

"""Image manifests: a configuration and layers; and indexes of them. See image-spec, manifest.md, image-index.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from hermes.digest import Digest, canonical_json, read_json
from hermes.errors import ImageError
from hermes.image import docker
from hermes.image.descriptor import IMAGE_INDEX, IMAGE_MANIFEST, Descriptor, annotations_of

INDEXES: Final = (IMAGE_INDEX, docker.INDEX)
MANIFESTS: Final = (IMAGE_MANIFEST, docker.MANIFEST)
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
LARGEST_MANIFEST: Final = 4 << 20
"""The size of a manifest or index, in bytes, that every registry takes; see distribution-spec, "Pushing Manifests"."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """``layers`` stand the lowest first; ``annotations`` are pairs sorted by name."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: tuple[tuple[str, str], ...] = ()
    media_type: str = IMAGE_MANIFEST

    def to_bytes(self) -> bytes:
        """Return the document as canonical JSON."""
        document: dict[str, Any] = {
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
            "mediaType": self.media_type,
            "schemaVersion": 2,
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return canonical_json(document)

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Raises `ImageError` when ``data`` is not the manifest of an image."""
        document = parsed(data, "the manifest")
        layers = document.get("layers")
        if "config" not in document or not isinstance(layers, list):
            raise ImageError("the manifest has no config and layers")
        return cls(
            Descriptor.from_json(document["config"]),
            tuple(Descriptor.from_json(one) for one in layers),
            annotations_of(document, "the manifest"),
            media_type_of(document),
        )


@dataclass(frozen=True, slots=True)
class Index:
    """Manifests of one image for several platforms; see image-spec, image-index.md."""

    manifests: tuple[Descriptor, ...]
    annotations: tuple[tuple[str, str], ...] = ()
    media_type: str = IMAGE_INDEX

    def to_bytes(self) -> bytes:
        """Return the document as canonical JSON."""
        document: dict[str, Any] = {
            "manifests": [one.to_json() for one in self.manifests],
            "mediaType": self.media_type,
            "schemaVersion": 2,
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return canonical_json(document)

    @classmethod
    def parse(cls, data: bytes) -> Index:
        """Raises `ImageError` when ``data`` is not an index."""
        document = parsed(data, "the index")
        listed = document.get("manifests")
        if not isinstance(listed, list):
            raise ImageError("the index has no list of manifests")
        manifests = tuple(Descriptor.from_json(one) for one in listed)
        return cls(manifests, annotations_of(document, "the index"), media_type_of(document))


def parsed(data: bytes, what: str) -> dict[str, Any]:
    """Return a manifest or an index as it is; raises `ImageError`, calling it ``what``.

    One that does not say its schema version has the only one that there is, as for other tools.
    """
    document = json_object(data, what)
    if (version := document.get("schemaVersion", 2)) != 2:
        raise ImageError(f"{what} has schema version {version!r}, and 2 is supported")
    return document


def json_object(data: bytes, what: str) -> dict[str, Any]:
    """Return the object that a JSON text is; raises `ImageError`, calling it ``what``."""
    try:
        document = read_json(data)
    except ValueError as error:
        raise ImageError(f"{what} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ImageError(f"{what} is not a JSON object")
    # Escapes alone can give half of a surrogate pair, which no file, process or other document can hold.
    return without_surrogates(document) if _SURROGATE_ESCAPE.search(data) else document


def without_surrogates(value: Any) -> Any:
    """Return a JSON value with U+FFFD in place of each lone surrogate, as Go's encoding/json reads them."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {without_surrogates(name): without_surrogates(one) for name, one in value.items()}
    return [without_surrogates(one) for one in value] if isinstance(value, list) else value


def media_type_of(document: dict[str, Any]) -> str:
    """Return what a manifest or index says that it is, or is by what it holds."""
    if said := document.get("mediaType"):
        return str(said)
    if "manifests" in document:
        return IMAGE_INDEX
    config = document.get("config")
    is_docker = isinstance(config, dict) and config.get("mediaType") == docker.CONFIG
    return docker.MANIFEST if is_docker else IMAGE_MANIFEST


def described(data: bytes, what: str) -> Descriptor:
    """Return the descriptor of a manifest or index; raises `ImageError` for other documents."""
    media_type = media_type_of(parsed(data, what))
    if media_type not in (*INDEXES, *MANIFESTS):
        raise ImageError(f"{what} has media type {media_type}, which is not an image or an index")
    return Descriptor(media_type, Digest.of(data), len(data))

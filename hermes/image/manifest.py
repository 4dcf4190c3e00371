"""Image manifests: a configuration and layers; see image-spec, manifest.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hermes.digest import canonical_json
from hermes.errors import ImageError
from hermes.image.descriptor import IMAGE_MANIFEST, Descriptor


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
        try:
            document = json.loads(data)
        except ValueError as error:
            raise ImageError(f"the manifest is not JSON: {error}") from None
        if not isinstance(document, dict) or document.get("schemaVersion") != 2:
            raise ImageError("the manifest is not one of schema version 2")
        layers = document.get("layers")
        if "config" not in document or not isinstance(layers, list):
            raise ImageError("the manifest has no config and layers")
        annotations = document.get("annotations") or {}
        return cls(
            Descriptor.from_json(document["config"]),
            tuple(Descriptor.from_json(one) for one in layers),
            tuple(sorted((str(name), str(value)) for name, value in annotations.items())),
            str(document.get("mediaType") or IMAGE_MANIFEST),
        )

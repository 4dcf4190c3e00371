"""Images taken into the store from elsewhere: ``oci:DIR[:TAG]``, ``docker://HOST/PATH[:TAG]``.

Nothing is believed that its digest does not vouch for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from hermes.digest import CHUNK, Digest
from hermes.errors import ImageError, UsageError
from hermes.image.config import diff_ids_of
from hermes.image.descriptor import IMAGE_INDEX, REF_NAME, Descriptor
from hermes.image.layout import read_index
from hermes.image.manifest import Manifest
from hermes.image.platform import Platform
from hermes.layer.ingest import ingest
from hermes.registry.settings import Registries, is_remote
from hermes.store import Store
from hermes.store.faults import storing

_OCI: Final = "oci:"
_LARGEST_DOCUMENT: Final = 8 << 20


def is_origin(text: str) -> bool:
    """Tell whether ``text`` names an image elsewhere."""
    return text.startswith(_OCI) or is_remote(text)


def take_in(text: str, store: Store, platform: Platform, registries: Registries | None = None) -> Descriptor:
    """Take the image that ``text`` names into the store; return its manifest.

    Raises `UsageError` when there is none, `ImageError` or `LayerError` when it is not what it says.
    """
    if is_remote(text):
        from hermes.registry.remote import origin

        return origin(text, registries).take_in(store, platform, layers=False)
    path, _, tag = text.removeprefix(_OCI).partition(":")
    layout = _Layout(Path(path).absolute(), store)
    return layout.take_in(layout.choose(text, tag, platform))


class _Layout:
    def __init__(self, folder: Path, store: Store) -> None:
        if not (folder / "oci-layout").is_file():
            raise UsageError(f"{folder} is not an OCI layout", hint="a layout has a file oci-layout")
        self._folder = folder
        self._store = store

    def choose(self, text: str, tag: str, platform: Platform) -> Descriptor:
        rows = [Descriptor.from_json(one) for one in read_index(self._folder)]
        tags = {found: one for one in rows for key, found in one.annotations if key == REF_NAME}
        if tag and tag not in tags:
            hint = f"it has {', '.join(sorted(tags))}" if tags else "it has no tags"
            raise UsageError(f"{text}: there is no image with the tag {tag!r}", hint=hint)
        if not tag and len(rows) != 1:
            hint = f"name one: {', '.join(sorted(tags))}" if tags else "write an image to it first"
            raise UsageError(f"{text}: there are {len(rows)} images", hint=hint)
        chosen = tags[tag] if tag else rows[0]
        if chosen.media_type != IMAGE_INDEX:
            return chosen
        listed = json.loads(self._document(chosen))["manifests"]
        for one in map(Descriptor.from_json, listed):
            if one.platform is not None and one.platform.matches(platform):
                return one
        known = ", ".join(sorted(str(one.platform) for one in map(Descriptor.from_json, listed)))
        raise UsageError(f"{text}: there is no image for {platform}", hint=f"there are {known}")

    def take_in(self, chosen: Descriptor) -> Descriptor:
        manifest = Manifest.parse(self._document(chosen))
        config: dict[str, Any] = json.loads(self._document(manifest.config))
        diff_ids = diff_ids_of(config)
        if len(diff_ids) != len(manifest.layers):
            raise ImageError(f"{self._folder}: the manifest and the configuration differ in their layers")
        for layer, diff_id in zip(manifest.layers, diff_ids, strict=True):
            with open(self._path(layer.digest), "rb") as file:
                ingest(self._store, file, diff_id, name=f"{self._folder}: layer {layer.digest.short}")
        for one in (manifest.config, chosen, *manifest.layers):
            self._copy(one)
        return Descriptor(chosen.media_type, chosen.digest, chosen.size)

    def _document(self, one: Descriptor) -> bytes:
        if one.size > _LARGEST_DOCUMENT:
            raise ImageError(f"{self._folder}: {one.digest} says that it has {one.size} bytes")
        data = self._path(one.digest).read_bytes()
        if Digest.of(data) != one.digest:
            raise ImageError(f"{self._folder}: {one.digest} is damaged", hint="write the layout again")
        return data

    def _copy(self, one: Descriptor) -> None:
        if self._store.blobs.has(one.digest, one.size):
            return
        with storing("the store"), self._store.blobs.writer() as blob:
            with open(self._path(one.digest), "rb") as file:
                while data := file.read(CHUNK):
                    blob.write(data)
            if blob.digest != one.digest:
                raise ImageError(f"{self._folder}: {one.digest} is damaged", hint="write the layout again")
            blob.commit()

    def _path(self, digest: Digest) -> Path:
        path = self._folder / "blobs" / "sha256" / digest.hex
        if not path.is_file():
            raise ImageError(f"{self._folder}: {digest} is missing", hint="write the layout again")
        return path

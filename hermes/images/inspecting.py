"""``hermes inspect``: what is known of an image without running it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hermes.build.named import build_target
from hermes.digest import Digest
from hermes.errors import MissingBlobError
from hermes.graph.label import is_label
from hermes.image.config import platform_of as platform_in
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES
from hermes.image.names import ImageNames
from hermes.layer import encodings, toc
from hermes.layer.toc import TableOfContents
from hermes.naming.image_names import asked, in_store, origin_of
from hermes.naming.registries import LazyBlobs
from hermes.registry.settings import AS_CONFIGURED, Access
from hermes.store import Store
from hermes.store.location import default_home
from hermes.transports.examining import Image, choose, examine, images_of, verified
from hermes.transports.transport import Origin


class Layer(NamedTuple):
    """A layer: its diff_id and, in an image, its blob. ``created_by`` is what the history says of it."""

    diff_id: Digest
    blob: Descriptor | None
    created_by: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """What `inspect` found: an image, an index of images, or the layers that a target gives.

    ``raw`` is the manifest or index as it is. ``images`` are those of an index. ``names`` are those of the store.
    """

    name: str
    descriptor: Descriptor | None
    raw: bytes
    image: Image | None
    images: tuple[Image, ...]
    layers: tuple[Layer, ...]
    names: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"name": self.name, "names": list(self.names)}
        if self.descriptor is not None:
            document |= {"digest": self.descriptor.digest, "media_type": self.descriptor.media_type}
        if self.images:
            document["images"] = [_image_json(one) for one in self.images]
        if self.image is not None:
            document |= _image_json(self.image)
            document["annotations"] = dict(self.image.manifest.annotations)
            document["config"] = self.image.config.get("config") or {}
            document["history"] = self.image.config.get("history") or []
        if self.layers:
            document["layers"] = [_layer_json(one) for one in self.layers]
        return document


def inspect(
    text: str,
    *,
    home: Path | None = None,
    platform: str = "",
    single: bool = False,
    access: Access = AS_CONFIGURED,
) -> Inspected:
    """Return what is known of an image, wherever it is; of one elsewhere only its documents are read.

    An index is one image, that for ``platform``, if that is given or ``single`` asks for it.
    """
    store = Store.open(home or default_home())
    try:
        with store.in_use():
            if is_label(text):
                built = build_target(text, store.home, platform)
                if layers := tuple(Layer(one, None, text) for one in built.only_layers):
                    return Inspected(text, None, b"", None, (), layers, ())
                return _inspected(built.origin(store), store, platform, single=single)
            with (
                closing(LazyBlobs.here(store, access=access)) as fetching,
                origin_of(text, store, fetching, build_target, platform) as origin,
            ):
                return _inspected(origin, store, platform, single=single)
    finally:
        store.close()


def tables(
    text: str, *, home: Path | None = None, platform: str = "", access: Access = AS_CONFIGURED
) -> list[TableOfContents]:
    """Return the tables of contents of the layers of an image or target, the lowest first.

    An image elsewhere is taken into the store for that.
    """
    store = Store.open(home or default_home())
    try:
        with store.in_use():
            return contents(text, store, platform, access)[1]
    finally:
        store.close()


def contents(
    text: str, store: Store, platform: str, access: Access = AS_CONFIGURED
) -> tuple[Image | None, list[TableOfContents]]:
    """Return an image (None for a target that gives layers) and its tables of contents."""
    with closing(LazyBlobs.here(store, access=access)) as fetching:
        if is_label(text):
            built = build_target(text, store.home, platform)
            if built.only_layers:
                return None, [toc.load(store, one) for one in built.only_layers]
            image = choose(built.origin(store), asked(platform))
        else:
            found = in_store(text, store, fetching, build_target, platform, whole=False)
            image = examine(found, found.root())
        for _, diff_id in image.layers:
            if not encodings.available(store, diff_id):
                fetching.layer(diff_id)
        return image, [_table(store, diff_id, fetching) for _, diff_id in image.layers]


def _table(store: Store, diff_id: Digest, fetching: LazyBlobs) -> TableOfContents:
    """Return a table of contents; one that is damaged is made again, if a blob of the layer is here or elsewhere."""
    try:
        return toc.load(store, diff_id)
    except MissingBlobError:
        fetching.layer(diff_id)
        return toc.load(store, diff_id)


def _inspected(origin: Origin, store: Store, platform: str, *, single: bool) -> Inspected:
    root = origin.root()
    names = tuple(str(one) for one in ImageNames(store).names_of(root.digest))
    if root.media_type in INDEXES and not platform and not single:
        images = tuple(examine(origin, one) for one in images_of(origin, root))
        return Inspected(origin.name, root, verified(origin, root), None, images, (), names)
    image = choose(origin, asked(platform))
    layers = tuple(
        Layer(diff_id, blob, made)
        for (blob, diff_id), made in zip(image.layers, _made_by(image.config), strict=False)
    )
    return Inspected(origin.name, image.descriptor, image.documents[0], image, (), layers, names)


def _made_by(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the history says of each layer, and then nothing without end."""
    history: Sequence[Mapping[str, Any]] = config.get("history") or ()
    yield from (str(one.get("created_by") or "") for one in history if not one.get("empty_layer"))
    while True:
        yield ""


def _image_json(image: Image) -> dict[str, Any]:
    return {
        "architecture": image.config.get("architecture"),
        "created": image.config.get("created"),
        "digest": image.descriptor.digest,
        "os": image.config.get("os"),
        "platform": str(platform_in(image.config)),
        "size": image.size,
    }


def _layer_json(layer: Layer) -> dict[str, Any]:
    document: dict[str, Any] = {"created_by": layer.created_by, "diff_id": layer.diff_id}
    if layer.blob is not None:
        document |= {
            "digest": layer.blob.digest,
            "media_type": layer.blob.media_type,
            "size": layer.blob.size,
        }
    return document

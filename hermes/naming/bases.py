"""What images and containers can be built on: ``scratch``, images, and what targets give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from hermes.container.stack import StackEntry
from hermes.digest import Digest
from hermes.errors import ImageError
from hermes.graph.label import is_label
from hermes.image.config import timestamp
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.naming.registries import LazyBlobs
from hermes.naming.targets import BuildTarget
from hermes.store import Store

SCRATCH: Final = "scratch"


class Base(NamedTuple):
    """Layers, the lowest first, and a configuration.

    ``blobs`` are those of the layers in the image that they come from, if they come from one.
    """

    name: str
    stack: tuple[StackEntry, ...]
    document: dict[str, Any]
    blobs: tuple[Descriptor, ...] = ()


def base_of(text: str, store: Store, fetching: LazyBlobs, build: BuildTarget, platform: str) -> Base:
    """Return what a name of a base means, for which ``build`` builds targets; raises `UsageError` when it means nothing."""
    from hermes.naming.image_names import in_store, platform_of

    if text == SCRATCH:
        return _base_of_layers(text, (), platform_of(platform))
    if is_label(text):
        return _base_of_target(text, store, build, platform)
    found = in_store(text, store, fetching, build, platform, whole=False, lazy=True)
    return base_of_image(text, found.root().digest, store)


def _base_of_layers(name: str, given: Sequence[Digest], platform: Platform) -> Base:
    from hermes.image.assemble import Layer

    layers = [one for one in given if not Layer(one).is_left_out]
    document: dict[str, Any] = {"architecture": platform.architecture, "os": platform.os, "config": {}}
    if platform.variant:
        document["variant"] = platform.variant
    document["history"] = [{"created": timestamp(0), "created_by": f"hermes {name}"} for _ in layers]
    return Base(name, tuple(StackEntry(one, name) for one in layers), document)


def _base_of_target(text: str, store: Store, build: BuildTarget, platform: str) -> Base:
    from hermes.naming.image_names import asked, platform_of
    from hermes.transports.examining import choose

    wanted = platform_of(platform)
    built = build(text, store.home, str(wanted))
    if built.only_layers:
        return _base_of_layers(text, built.only_layers, wanted)
    return base_of_image(text, choose(built.origin(store), asked(platform)).descriptor.digest, store)


def base_of_image(text: str, digest: Digest, store: Store) -> Base:
    """Return the image that errors call ``text``; raises `MissingBlobError` when its documents are not in the store."""
    from hermes.image.config import diff_ids_of, history_of, parse_config
    from hermes.image.manifest import Manifest

    manifest = Manifest.parse(store.blobs.read(digest))
    try:
        document = parse_config(store.blobs.read(manifest.config.digest))
    except ImageError as error:
        raise ImageError(f"{text}: {error.message}") from None
    stack = tuple(StackEntry(one, text) for one in diff_ids_of(document))
    document["history"] = history_of(document, text)
    document.pop("rootfs")
    document.pop("created", None)
    if manifest.annotations:
        document["annotations"] = dict(manifest.annotations)
    return Base(text, stack, document, manifest.layers)

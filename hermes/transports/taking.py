"""The one intake: an image or index of an `Origin` into the store, whatever the transport.

The documents are checked by `hermes.transports.examining` before any layer is read; every digest, size and diff_id is
checked, and the manifest, which makes it an image of the store, is stored when all that it names is there and right.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from hermes.digest import CHUNK
from hermes.errors import BuildInterrupted, ImageError
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES, Manifest
from hermes.image.media_types import is_distributable, is_external
from hermes.image.platform import Platform
from hermes.store import Store
from hermes.store.io_errors import storing
from hermes.transports.examining import (
    Image,
    choose,
    examine,
    images_of,
    index_of,
    is_image,
    parsed,
    verified,
)
from hermes.transports.transport import Origin

if TYPE_CHECKING:
    from hermes.layer.decompress import Source
    from hermes.layer.importing import LayerBlob

_AT_ONCE: Final = 4


def import_image(
    origin: Origin,
    store: Store,
    platform: Platform | None,
    *,
    lazy: bool = False,
    keep_nondistributable: bool = False,
) -> Image:
    """Import the image for a platform, or the only one for None; see `hermes.transports.examining.choose`.

    ``lazy`` leaves layers that can be fetched later where they are, until something needs them. Layers that may not be
    distributed are refused, or with ``keep_nondistributable``, or where the settings of a registry allow them, are
    recorded without their bytes. Raises as `choose` does, and `LayerError` for a layer that is not what the image says.
    """
    image = choose(origin, platform)
    _take(origin, store, image, lazy=lazy, kept=keep_nondistributable)
    root = origin.root()
    if root.media_type in INDEXES:  # so that its digest names the image here, too
        _put(origin, store, verified(origin, root))
    return image


def import_index(origin: Origin, store: Store, *, keep_nondistributable: bool = False) -> Descriptor:
    """Import an index with all its images and attestations, or a single image; return its descriptor.

    Raises as `import_image` does.
    """
    root = origin.root()
    for _ in images_of(origin, root):
        pass  # so that too many are refused before any is taken
    _take_all(origin, store, root, kept=keep_nondistributable)
    return Descriptor(root.media_type, root.digest, root.size)


def _take_all(origin: Origin, store: Store, one: Descriptor, *, kept: bool) -> None:
    if one.media_type not in INDEXES:
        _take(origin, store, examine(origin, one), lazy=False, kept=kept)
        return
    for row in index_of(origin, one).manifests:
        if is_image(row):
            _take_all(origin, store, row, kept=kept)
        else:
            _take_attached(origin, store, row)
    _put(origin, store, verified(origin, one))


def _take(origin: Origin, store: Store, image: Image, *, lazy: bool, kept: bool) -> None:
    """Take the layers of an image, or record them, and then its documents."""
    from hermes.layer.importing import LayerBlob, import_layer, is_imported

    if not kept and not (origin.remote and origin.remote.keeps_nondistributable):
        _refuse_nondistributable(origin, image.manifest)
    now: list[tuple[Descriptor, LayerBlob]] = []
    later: list[tuple[Descriptor, LayerBlob]] = []
    for layer, diff_id in image.layers:
        blob = LayerBlob(layer.digest, layer.size, diff_id, layer.media_type, layer.urls)
        (later if is_external(layer) or origin.remote else now).append((layer, blob))
    for layer, blob in later:
        import_layer(store, blob, partial(origin.open, layer), name=origin.name, lazily=True)
        if origin.remote:
            origin.remote.record(layer.digest)
    if origin.remote and not lazy:
        origin.remote.fetch([layer for layer, _ in later if not is_external(layer)])
    wanted = {blob.digest: (layer, blob) for layer, blob in now if not is_imported(store, blob)}
    _take_layers(origin, store, list(wanted.values()))
    for data in reversed(image.documents):
        _put(origin, store, data)


def _take_layers(origin: Origin, store: Store, layers: Sequence[tuple[Descriptor, LayerBlob]]) -> None:
    """Read layers into the store, a few at a time; once one has failed, the others stop."""
    from hermes.layer.importing import import_layer

    stopped = threading.Event()

    def take(one: tuple[Descriptor, LayerBlob]) -> None:
        layer, blob = one

        @contextmanager
        def opened() -> Iterator[Source]:
            with origin.open(layer) as file:
                yield _Stoppable(file, stopped)

        import_layer(store, blob, opened, name=f"{origin.name}: layer {layer.digest.short}")

    if len(layers) < 2:
        for one in layers:
            take(one)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="layers") as pool:
        try:
            list(pool.map(take, layers))
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


class _Stoppable:
    """A blob that is read until another layer has failed, or the user has had enough."""

    def __init__(self, file: Source, stopped: threading.Event) -> None:
        self._file = file
        self._stopped = stopped

    def read(self, count: int, /) -> bytes:
        if self._stopped.is_set():
            raise BuildInterrupted
        return self._file.read(count)


def _take_attached(origin: Origin, store: Store, one: Descriptor) -> None:
    """Take what an index has beside its images, such as an attestation, as the blobs that it is made of."""
    data = verified(origin, one)
    manifest = parsed(origin, lambda: Manifest.parse(data))
    for blob in (manifest.config, *manifest.layers):
        if not store.blobs.has(blob.digest, blob.size):
            _take_blob(origin, store, blob)
    _put(origin, store, data)


def _take_blob(origin: Origin, store: Store, one: Descriptor) -> None:
    with origin.open(one) as file, store.blobs.writer() as blob:
        while data := file.read(min(CHUNK, one.size + 1 - blob.size)):
            with storing("the store"):
                blob.write(data)
        if blob.size != one.size or blob.digest != one.digest:
            raise ImageError(
                f"{origin.name}: content does not match its digest {one.digest}",
                hint="pull it again, or have it written again",
            )
        with storing("the store"):
            blob.commit()


def _refuse_nondistributable(origin: Origin, manifest: Manifest) -> None:
    """Raise `ImageError` for an image with layers that may not be distributed, such as those of Windows.

    See image-spec, layer.md, "Non-Distributable Layers".
    """
    for layer in manifest.layers:
        if not is_distributable(layer.media_type):
            raise ImageError(
                f"{origin.name}: its layer {layer.digest.short} may not be distributed ({layer.media_type})",
                hint="to take the image without its bytes, say --keep-nondistributable (of pull and copy), "
                "or keep_nondistributable: true for its registry in hermes.yaml",
            )


def _put(origin: Origin, store: Store, data: bytes) -> None:
    with storing("the store"):
        digest = store.blobs.put(data)
        if origin.remote:
            origin.remote.record(digest)

"""Images somewhere that can be read, and taking them into the store.

An `Origin` gives the documents and blobs of one image or index, however they are kept. Nothing that it gives is
believed: `take_image` and its like check every digest, size and diff_id, and the manifest, which makes it an image of
the store, is stored when all that it names is there and right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from hermes.digest import CHUNK, Digest
from hermes.errors import BuildInterrupted, ImageError, UsageError
from hermes.image.config import diff_ids_of, parse_config
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import INDEXES, MANIFESTS, Index, Manifest
from hermes.image.media_types import is_external, is_layer
from hermes.image.platform import Platform
from hermes.registry.nondistributable import check, promise
from hermes.store import Store
from hermes.store.faults import storing

if TYPE_CHECKING:
    from hermes.layer.compress import Source
    from hermes.layer.ingest import Blob
    from hermes.registry.client import Client

LARGEST_DOCUMENT: Final = 8 << 20
"""How large a manifest, an index or a configuration may be, in bytes."""

T = TypeVar("T")

_DEEPEST_INDEX: Final = 4
_MOST_ROWS: Final = 10_000
_AT_ONCE: Final = 4


class Origin(Protocol):
    """One image, or an index of images, somewhere else."""

    @property
    def name(self) -> str:
        """What errors call it: as the user wrote it."""
        ...

    @property
    def title(self) -> str:
        """What it is called there, as a name that the store could give it, or empty."""
        ...

    def root(self) -> Descriptor:
        """Return the manifest or index; raises `UsageError` when there is none or it is not clear which."""
        ...

    def document(self, one: Descriptor) -> bytes:
        """Return a manifest, index or configuration; raises `ImageError` when it is not there.

        At most `LARGEST_DOCUMENT` bytes are read, which need not be those that the descriptor says.
        """
        ...

    def open(self, one: Descriptor) -> AbstractContextManager[Source]:
        """Open the blob of a layer, which need not be what the descriptor says; raises as `document` does."""
        ...


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image without its layers: manifest and configuration, verified and consistent."""

    descriptor: Descriptor
    manifest: Manifest
    config: Mapping[str, Any]
    documents: tuple[bytes, ...]

    @property
    def layers(self) -> Iterator[tuple[Descriptor, Digest]]:
        """The layers, the lowest first, each with its diff_id."""
        return zip(self.manifest.layers, diff_ids_of(self.config), strict=True)

    @property
    def size(self) -> int:
        """The size of its blobs, as they are stored and sent, in bytes."""
        return sum(one.size for one in {self.manifest.config, *self.manifest.layers})


@contextmanager
def opened(text: str, store: Store, client: Callable[[], Client]) -> Iterator[Origin]:
    """Open ``TRANSPORT:WHERE``; raises `UsageError` when it names nothing that can be read.

    ``client`` returns what registries are read with, and is called for those only.
    """
    transport, _, where = text.partition(":")
    if not where.strip("/"):
        raise UsageError(f"{text!r} names no image", hint=f"write {transport}:WHERE")
    with _opening(text, store, client) as origin:
        yield origin


def take_image(origin: Origin, store: Store, chosen: Descriptor, *, kept: bool = False) -> Descriptor:
    """Take one image of an origin into the store, verified; return its manifest's descriptor.

    ``kept`` says what becomes of layers that may not be distributed: see `hermes.registry.nondistributable`. Raises
    `ImageError` or `LayerError` when it is not what it says.
    """
    from hermes.layer.ingest import Blob, has, ingest

    image = examine(origin, chosen)
    check(image.manifest, origin.name, kept=kept)
    blobs = {}
    for layer, diff_id in image.layers:
        if is_external(layer):
            promise(store, diff_id, layer)
        else:
            blobs[layer.digest] = layer, Blob(layer.digest, layer.size, diff_id)
    wanted = [(layer, blob) for layer, blob in blobs.values() if not has(store, blob)]

    stopped = threading.Event()

    def take(one: tuple[Descriptor, Blob]) -> None:
        layer, blob = one
        with origin.open(layer) as file:
            source = _Stoppable(file, stopped)
            ingest(store, source, blob, name=f"{origin.name}: layer {layer.digest.short}")

    if len(wanted) > 1:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="layers") as pool:
            try:
                list(pool.map(take, wanted))
            except BaseException:
                stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
    elif wanted:
        take(wanted[0])
    with storing("the store"):
        for data in reversed(image.documents):
            store.blobs.put(data)
    found = image.descriptor
    return Descriptor(found.media_type, found.digest, found.size)


class _Stoppable:
    """A blob that is read until another layer has failed, or the user has had enough."""

    def __init__(self, file: Source, stopped: threading.Event) -> None:
        self._file = file
        self._stopped = stopped

    def read(self, count: int, /) -> bytes:
        if self._stopped.is_set():
            raise BuildInterrupted
        return self._file.read(count)


def take_all(origin: Origin, store: Store, *, kept: bool = False) -> Descriptor:
    """Take an index with all its images into the store, each as `take_image` does; return its descriptor.

    What is no index is taken as the one image that it is.
    """
    for _ in images_of(origin, origin.root()):
        pass  # that there are too many is said before any is taken
    return _take_all(origin, store, origin.root(), kept=kept)


def _take_all(origin: Origin, store: Store, one: Descriptor, *, kept: bool) -> Descriptor:
    if one.media_type not in INDEXES:
        return take_image(origin, store, one, kept=kept)
    data = verified(origin, one)
    for below in _parsed(origin, lambda: Index.parse(data)).manifests:
        if _is_image(below):
            _take_all(origin, store, below, kept=kept)
        else:
            _take_attached(origin, store, below)
    with storing("the store"):
        store.blobs.put(data)
    return Descriptor(one.media_type, one.digest, one.size)


def _is_image(one: Descriptor) -> bool:
    """Tell whether a row of an index is an image, or an index of such; what says where an image is from is none."""
    return one.platform is None or one.platform.os != "unknown"


def _take_attached(origin: Origin, store: Store, one: Descriptor) -> None:
    """Take what an index has beside its images, such as an attestation, as the blobs that it is made of."""
    data = verified(origin, one)
    manifest = _parsed(origin, lambda: Manifest.parse(data))
    for blob in (manifest.config, *manifest.layers):
        if not store.blobs.has(blob.digest, blob.size):
            _take_blob(origin, store, blob)
    with storing("the store"):
        store.blobs.put(data)


def _take_blob(origin: Origin, store: Store, one: Descriptor) -> None:
    with origin.open(one) as file, store.blobs.writer() as blob:
        while data := file.read(min(CHUNK, one.size + 1 - blob.size)):
            with storing("the store"):
                blob.write(data)
        if blob.size != one.size or blob.digest != one.digest:
            raise ImageError(
                f"{origin.name}: {one.digest} is not what its digest and size say",
                hint="it is damaged, or lies; get it again",
            )
        with storing("the store"):
            blob.commit()


def choose(origin: Origin, platform: Platform) -> Descriptor:
    """Return the manifest of the image for a platform.

    Raises `UsageError`, which lists those that are there, when none is for it.
    """
    offered = list(images_of(origin, origin.root()))
    if len(offered) == 1 and offered[0].platform is None:
        return offered[0]
    known = [one.platform for one in offered if one.platform is not None]
    best = platform.best_of(known)
    if best is None:
        listed = ", ".join(sorted(map(str, known))) or "no images with a platform"
        raise UsageError(f"{origin.name}: there is no image for {platform}", hint=f"there are {listed}")
    return next(one for one in offered if one.platform == best)


def images_of(origin: Origin, root: Descriptor) -> Iterator[Descriptor]:
    """Yield the images that a manifest or index of an origin stands for, without what is no image of a platform.

    Raises `ImageError` where indexes name each other so often that it can only be meant to take forever.
    """
    if root.media_type not in (*MANIFESTS, *INDEXES):
        raise ImageError(f"{origin.name}: it is of the type {root.media_type}, which is no image's")
    left = [(root, 0)]
    looked_at = 0
    while left:
        one, depth = left.pop()
        if one.media_type in MANIFESTS:
            yield one
        elif one.media_type in INDEXES:
            _check_depth(origin, depth)
            data = verified(origin, one)
            below = [row for row in _parsed(origin, lambda: Index.parse(data)).manifests if _is_image(row)]  # noqa: B023
            looked_at += len(below)
            if looked_at > _MOST_ROWS:
                raise ImageError(f"{origin.name}: more than {_MOST_ROWS} rows of indexes are no image")
            left += [(row, depth + 1) for row in reversed(below)]


def examine(origin: Origin, chosen: Descriptor) -> Image:
    """Return what is known of an image without its layers; raises `ImageError` when that is not consistent."""
    data = verified(origin, chosen)
    manifest = _parsed(origin, lambda: Manifest.parse(data))
    if manifest.media_type != chosen.media_type:
        raise ImageError(
            f"{origin.name}: {chosen.digest} is said to be {chosen.media_type}, and says {manifest.media_type}",
            hint="the image is damaged, or lies; get it again",
        )
    if manifest.media_type not in MANIFESTS or not all(is_layer(one.media_type) for one in manifest.layers):
        raise ImageError(
            f"{origin.name}: this is no image that can be run ({_kind_of(manifest)})",
            hint="it holds something else, which Hermes has no use for",
        )
    text = verified(origin, manifest.config)
    config = _parsed(origin, lambda: parse_config(text))
    diff_ids = diff_ids_of(config)
    if len(diff_ids) != len(manifest.layers):
        raise ImageError(
            f"{origin.name}: the manifest has {len(manifest.layers)} layers, "
            f"and the image's configuration {len(diff_ids)}",
            hint="the image is damaged, or lies; get it again",
        )
    return Image(chosen, manifest, config, (data, text))


def verified(origin: Origin, one: Descriptor) -> bytes:
    """Return a document that is what its descriptor says; raises `ImageError`."""
    if one.size > LARGEST_DOCUMENT:
        raise ImageError(f"{origin.name}: {one.digest} says that it has {one.size} bytes, which is too many")
    data = origin.document(one)
    if len(data) != one.size or Digest.of(data) != one.digest:
        raise ImageError(
            f"{origin.name}: {one.digest} is not what its digest and size say",
            hint="it is damaged, or lies; get it again",
        )
    return data


def missing(origin: str, one: Descriptor) -> ImageError:
    """Return the error for something that an origin should have."""
    return ImageError(f"{origin}: {one.digest} is missing", hint="write the image again")


def _kind_of(manifest: Manifest) -> str:
    odd = [one.media_type for one in manifest.layers if not is_layer(one.media_type)]
    return next(iter(odd), manifest.config.media_type)


def _check_depth(origin: Origin, depth: int) -> None:
    if depth >= _DEEPEST_INDEX:
        raise ImageError(f"{origin.name}: its indexes are nested too deep")


def _parsed(origin: Origin, parse: Callable[[], T]) -> T:
    """Return what ``parse`` gives; an error says which image it is of."""
    try:
        return parse()
    except ImageError as error:
        raise ImageError(f"{origin.name}: {error.message}", hint=error.hint) from None


# How each transport is opened.


def _opening(text: str, store: Store, client: Callable[[], Client]) -> AbstractContextManager[Origin]:
    transport, _, where = text.partition(":")
    path, _, name = where.partition(":")
    place = Path(path).absolute()
    if transport in ("oci", "oci-archive", "dir"):
        from hermes.registry import layouts

        if transport == "dir":
            return layouts.opened_directory(text, Path(where).absolute())
        if transport == "oci":
            return layouts.opened_layout(text, place, name)
        return layouts.opened_layout_archive(text, place, name, store)
    if transport == "docker-archive":
        from hermes.registry.docker_archive import opened_docker_archive

        return opened_docker_archive(text, place, name, store)
    if transport == "docker-daemon":
        from hermes.registry.daemon import opened_daemon

        return opened_daemon(text, where, store)
    if transport == "containers-storage":
        from hermes.registry.storage import opened_storage

        return opened_storage(text, where, store)
    from hermes.registry import remote
    from hermes.registry.client import parse_name

    return nullcontext(remote.Origin(text, parse_name(text), client(), store))

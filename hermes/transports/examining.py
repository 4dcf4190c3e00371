"""What is known of an image by its documents alone, and which image of an index is for a platform.

The same rules hold for every transport and for the store; docs/images.md has them ("What is refused").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from hermes.digest import Digest
from hermes.errors import ImageError, NoSuchPlatform
from hermes.image import docker
from hermes.image.config import diff_ids_of, parse_config, platform_of
from hermes.image.descriptor import IMAGE_CONFIG, Descriptor
from hermes.image.manifest import INDEXES, LARGEST_MANIFEST, MANIFESTS, Index, Manifest
from hermes.image.media_types import is_layer
from hermes.image.platform import Platform
from hermes.transports.transport import LARGEST_DOCUMENT, Origin

MOST_LAYERS: Final = 500
"""How many layers the kernel can mount over each other, see the sandbox's overlays."""

T = TypeVar("T")

_CONFIGS: Final = (IMAGE_CONFIG, docker.CONFIG)
_DEEPEST_INDEX: Final = 4
_MOST_ROWS: Final = 10_000
_UNKNOWN: Final = "unknown"
_AGAIN: Final = "pull it again, or have it written again"


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image without its layers: manifest and configuration, verified and consistent.

    ``documents`` are their bytes.
    """

    descriptor: Descriptor
    manifest: Manifest
    config: Mapping[str, Any]
    documents: tuple[bytes, bytes]

    @property
    def layers(self) -> Iterator[tuple[Descriptor, Digest]]:
        """The layers, the lowest first, each with its diff_id."""
        return zip(self.manifest.layers, diff_ids_of(self.config), strict=True)

    @property
    def size(self) -> int:
        """The size of its blobs, as they are stored and sent, in bytes."""
        return sum(one.size for one in {self.manifest.config, *self.manifest.layers})


def choose(origin: Origin, platform: Platform | None) -> Image:
    """Return the image for a platform; without one, that of an index for this machine, or the only image as it is.

    Where no row of an index says that platform, those that say none count by what their configurations say, as for
    containerd. Raises `NoSuchPlatform`, which lists those that are there, when none is for it, and else as `examine`
    does.
    """
    root = origin.root()
    rows = list(images_of(origin, root))
    if root.media_type in MANIFESTS:
        image = examine(origin, root)
        there = platform_of(image.config)
        if platform is not None and platform.best_of([there]) is None:
            raise _no_image_for(origin, platform, [there])
        return image
    wanted = platform or Platform.host()
    known = [one for one in map(_platform_of, rows) if one is not None]
    best = wanted.best_of(known)
    if best is not None:
        return examine(origin, next(one for one in rows if one.platform == best))
    images: dict[Platform, Image] = {}
    for row in rows:
        if _platform_of(row) is None:
            image = examine(origin, row)
            images.setdefault(platform_of(image.config), image)
    best = wanted.best_of(list(images))
    if best is not None:
        return images[best]
    raise _no_image_for(origin, wanted, [*known, *images])


def images_of(origin: Origin, root: Descriptor) -> Iterator[Descriptor]:
    """Yield the manifests of the images that a manifest or index of an origin stands for, without attestations.

    Raises `ImageError` where indexes name each other so often that it can only be meant to take forever.
    """
    if root.media_type not in (*MANIFESTS, *INDEXES):
        raise ImageError(
            f"{origin.name}: not a container image: media type {root.media_type} is not supported"
        )
    left = [(root, 0)]
    looked_at = 0
    while left:
        one, depth = left.pop()
        if one.media_type in MANIFESTS:
            yield one
        elif one.media_type in INDEXES:
            if depth >= _DEEPEST_INDEX:
                raise ImageError(f"{origin.name}: its indexes are nested more than {_DEEPEST_INDEX} deep")
            below = [row for row in index_of(origin, one).manifests if is_image(row)]
            looked_at += len(below)
            if looked_at > _MOST_ROWS:
                raise ImageError(f"{origin.name}: its indexes list more than {_MOST_ROWS} images")
            left += [(row, depth + 1) for row in reversed(below)]


def examine(origin: Origin, chosen: Descriptor) -> Image:
    """Return what is known of an image without its layers. A manifest is in the format that it says itself.

    Raises `ImageError` when its documents are damaged or contradict each other, or for what is not a container image.
    """
    data = verified(origin, chosen)
    manifest = parsed(origin, lambda: Manifest.parse(data))
    _check(origin, chosen, manifest)
    text = verified(origin, manifest.config)
    config = parsed(origin, lambda: parse_config(text))
    diff_ids = diff_ids_of(config)
    if len(diff_ids) != len(manifest.layers):
        raise ImageError(
            f"{origin.name}: the manifest has {len(manifest.layers)} layers, "
            f"and the image's configuration {len(diff_ids)}",
            hint=_AGAIN,
        )
    return Image(replace(chosen, media_type=manifest.media_type), manifest, config, (data, text))


def index_of(origin: Origin, one: Descriptor) -> Index:
    """Return an index of an origin; raises `ImageError`."""
    data = verified(origin, one)
    return parsed(origin, lambda: Index.parse(data))


def is_image(row: Descriptor) -> bool:
    """Tell whether a row of an index is an image or an index, and not an attestation about one."""
    return row.platform is None or row.platform.os != _UNKNOWN


def verified(origin: Origin, one: Descriptor) -> bytes:
    """Return a document that is what its descriptor says; raises `ImageError`."""
    largest = LARGEST_MANIFEST if one.media_type in (*MANIFESTS, *INDEXES) else LARGEST_DOCUMENT
    if one.size > largest:
        raise ImageError(
            f"{origin.name}: {one.digest} has {one.size} bytes, more than {largest >> 20} MiB",
            hint="no registry takes such a document",
        )
    data = origin.document(one)
    if len(data) <= largest and Digest.of(data) != one.digest:
        raise ImageError(f"{origin.name}: content does not match its digest {one.digest}", hint=_AGAIN)
    if len(data) != one.size:
        raise ImageError(
            f"{origin.name}: {one.digest} has {len(data)} bytes, and its descriptor says {one.size}",
            hint=_AGAIN,
        )
    return data


def parsed(origin: Origin, parse: Callable[[], T]) -> T:
    """Return what ``parse`` gives; an error says which image it is of."""
    try:
        return parse()
    except ImageError as error:
        raise ImageError(f"{origin.name}: {error.message}", hint=error.hint) from None


def _check(origin: Origin, chosen: Descriptor, manifest: Manifest) -> None:
    """Raise `ImageError` for what is not an image that can be run."""
    if manifest.media_type not in MANIFESTS:
        raise ImageError(
            f"{origin.name}: {chosen.digest} has media type {manifest.media_type}, "
            f"and its descriptor says {chosen.media_type}",
            hint=_AGAIN,
        )
    if manifest.config.media_type not in _CONFIGS:
        raise ImageError(
            f"{origin.name}: is an OCI artifact, not an image (config media type {manifest.config.media_type})",
            hint="name an image",
        )
    odd = [one.media_type for one in manifest.layers if not is_layer(one.media_type)]
    if odd:
        raise ImageError(
            f"{origin.name}: not a container image: layer media type {odd[0]} is not supported",
            hint="name an image",
        )
    if len(manifest.layers) > MOST_LAYERS:
        raise ImageError(
            f"{origin.name}: has {len(manifest.layers)} layers, and {MOST_LAYERS} can be mounted at most",
            hint="have it made with fewer layers",
        )


def _platform_of(row: Descriptor) -> Platform | None:
    """Return the platform that a row of an index says, which may leave it out."""
    platform = row.platform
    return platform if platform and platform.os and platform.architecture else None


def _no_image_for(origin: Origin, wanted: Platform, there: list[Platform]) -> NoSuchPlatform:
    known = sorted({str(one) for one in there})
    shown = f"there {'is' if len(known) == 1 else 'are'} {', '.join(known)}; say --platform"
    return NoSuchPlatform(
        f"{origin.name}: there is no image for {wanted}", hint=shown if known else "the index lists no images"
    )

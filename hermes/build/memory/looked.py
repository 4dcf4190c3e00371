"""What a build of one image looked at, and the image: if all of it is still the same, so is the image.

It is a file beside the snapshots of workspaces (`hermes.build.memory.snapshot`), whose name the caller makes of all
that is said to the build. It holds what tells that each file and folder is the same, what the names of images in the
store meant, and the image.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from hermes.build.memory.signatures import NOTHING, Signature, Signatures, signature
from hermes.build.memory.snapshot import read_row, write_row
from hermes.digest import Digest
from hermes.errors import StoreError
from hermes.image.descriptor import Descriptor
from hermes.image.names import ImageNames
from hermes.image.reference import Reference
from hermes.store import Store

_TICK_NS: Final = 20_000_000
"""What changed less than this before a build began may change again without its times showing it."""
_MOST_LINKS: Final = 40
_NEVER: Final = (-1, -1, -1, -1)


class Image(NamedTuple):
    """What a build gave: the manifest or index, how many actions it had, what it warned of."""

    manifest: Descriptor
    actions: int
    warnings: Sequence[str]


@dataclass(slots=True)
class Looked:
    """What a build looks at: absolute paths with their signatures, and names of images with their digests.

    ``lasts``: nothing else decided what came out.
    """

    started: int
    paths: dict[str, Signature]
    names: dict[str, str]
    lasts: bool = True

    @classmethod
    def now(cls) -> Looked:
        return cls(time.time_ns(), {}, {})

    def at(self, paths: Sequence[str]) -> None:
        """Look at files before they are read, whether they are there or not, and at what links lead to."""
        for path in paths:
            for one in _links(path):
                self.paths[one] = signature(one)

    def there(self) -> Signatures:
        """Return what is there, without leading slashes; what changed only just before is never the same."""
        fresh = self.started - _TICK_NS
        return Signatures.of(
            {
                path[1:]: _NEVER if max(row[0], row[1]) > fresh else row
                for path, row in self.paths.items()
                if row != NOTHING
            }
        )

    def missing(self) -> list[str]:
        """Return the paths at which there is nothing."""
        return [path for path, row in self.paths.items() if row == NOTHING]


def _links(path: str) -> Iterator[str]:
    """Yield a path and, where it is a link, what that and each link after it leads to."""
    for _ in range(_MOST_LINKS):
        yield path
        try:
            path = os.path.join(os.path.dirname(path), os.readlink(path))
        except OSError:
            return


def same_image(path: Path, home: Path, tags: Sequence[str]) -> Image | None:
    """Return the image of the last build that `keep_image` wrote to ``path``, and name it, if nothing changed since."""
    row = read_row(path)
    if row is None:
        return None
    there, missing, names, blobs, manifest, actions, warnings = row
    if Signatures.load(there).changed("") or any(map(os.path.lexists, missing)):
        return None
    wanted = [Reference.parse(one) for one in tags]
    media_type, digest, size = manifest
    image = Descriptor(media_type, Digest(digest), size)
    store = Store.open(home)
    try:
        with store.in_use():
            known = ImageNames(store)
            for name, digest in names.items():
                found = known.find(Reference.parse(name))
                if found is None or found.digest != digest:
                    return None
            if not all(store.blobs.has(Digest(digest), size) for digest, size in blobs):
                return None
            for one in wanted:
                known.set(one, image)
    finally:
        store.close()
    return Image(image, actions, warnings)


def keep_image(path: Path, store: Store, looked: Looked, image: Image) -> None:
    """Write what `same_image` reads, unless something else decided what came out."""
    if not looked.lasts:
        return
    manifest = image.manifest
    row = (
        looked.there().dump(),
        looked.missing(),
        looked.names,
        [(str(digest), size) for digest, size in _blobs(store, manifest)],
        (manifest.media_type, str(manifest.digest), manifest.size),
        image.actions,
        list(image.warnings),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_row(store, path, row)
    except (OSError, StoreError):
        return  # without it the next build looks at everything


def _blobs(store: Store, image: Descriptor) -> list[tuple[Digest, int]]:
    """Return the blobs of an image or index that are in the store; others are in registries and come when they are needed."""
    from hermes.image.manifest import Manifest
    from hermes.image.stored import manifests_of

    listed = [image]
    for manifest in manifests_of(image, store):
        parsed = Manifest.parse(store.blobs.read(manifest.digest))
        listed += [manifest, parsed.config, *parsed.layers]
    found = {one.digest: one.size for one in listed if store.blobs.has(one.digest, one.size)}
    return list(found.items())

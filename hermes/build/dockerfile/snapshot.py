"""What a build of a Dockerfile looked at, remembered so that the next one can tell that nothing changed.

It is found by the options and the Dockerfile's text, and holds what tells that each file and folder is the same, what
the names of images in the store meant, and the image. See `hermes.build.memory.snapshot` for how it is kept.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import PULL_ALWAYS, DockerfileOptions, dockerfile_of, folder_of
from hermes.build.epoch import epoch_text
from hermes.build.memory.signatures import NOTHING, Signature, Signatures, signature
from hermes.build.memory.snapshot import Snapshots, read_row, write_row
from hermes.digest import Digest, canonical_json
from hermes.errors import StoreError
from hermes.image.descriptor import Descriptor
from hermes.image.names import ImageNames
from hermes.image.reference import Reference
from hermes.store import Store
from hermes.store.location import is_made

_TICK_NS: Final = 20_000_000
"""What changed less than this before a build began may change again without its times showing it."""
_MOST_LINKS: Final = 40
_NEVER: Final = (-1, -1, -1, -1)
_OPTIONS: Final = (
    *("annotations", "arguments", "compression", "format", "labels", "layers", "network", "platform"),
    *("pull", "seconds", "squash", "target", "capabilities", "hosts", "env", "unset_env"),
)
"""The options that decide what the image is, where no snapshot is kept for the others."""


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


def unchanged(
    options: DockerfileOptions, home: Path, say: Callable[[str], None], service: str = ""
) -> BuiltDockerfile | None:
    """Return what the last build of the same gave and name it, if nothing changed since; its warnings are said again.

    ``service`` is whose Dockerfile it is, of several.
    """
    if not _is_read(options) or not is_made(home):
        return None
    root = folder_of(options)
    file, text = dockerfile_of(options, root)
    row = read_row(_place(options, home, root, file, text))
    if row is None:
        return None
    there, missing, names, blobs, manifest, cached, warnings = row
    if Signatures.load(there).changed("") or any(map(os.path.lexists, missing)):
        return None
    tags = [Reference.parse(one) for one in options.tags]
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
            for one in tags:
                known.set(one, image)
    finally:
        store.close()
    for warning in warnings:
        say(f"warning: {service} {warning}" if service else f"warning: {warning}")
    return BuiltDockerfile(image, (), cached, tuple(options.tags))


def remember(
    options: DockerfileOptions,
    store: Store,
    root: Path,
    dockerfile: tuple[str, str],
    looked: Looked,
    built: BuiltDockerfile,
    warnings: Sequence[str],
) -> None:
    """Write what `unchanged` reads. ``dockerfile`` is its path and text; ``built`` has what would be cached."""
    if _is_told_more(options) or not looked.lasts:
        return
    path = _place(options, store.home, root, *dockerfile)
    manifest = built.manifest
    row = (
        looked.there().dump(),
        looked.missing(),
        looked.names,
        [(str(digest), size) for digest, size in _blobs(store, manifest)],
        (manifest.media_type, str(manifest.digest), manifest.size),
        built.cached + len(built.executed),
        list(warnings),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_row(store, path, row)
    except (OSError, StoreError):
        return  # without it the next build looks at everything


def _is_told_more(options: DockerfileOptions) -> bool:
    """Tell whether a build cannot be known by what it looks at, because it is told something secret."""
    return bool(options.secrets or options.agents or options.volumes)


def _is_read(options: DockerfileOptions) -> bool:
    """Tell whether the last build of the same will do: nothing is to be executed again, or written elsewhere.

    One that executes again is remembered all the same: what it gave is what the next build finds.
    """
    more = options.fresh_stages or options.destinations or options.cache_to or _is_told_more(options)
    return options.use_cache and options.pull != PULL_ALWAYS and not more


def _place(options: DockerfileOptions, home: Path, root: Path, file: str, text: str) -> Path:
    facts: dict[str, Any] = {name: _plain(getattr(options, name)) for name in _OPTIONS}
    facts.update(
        contexts={name: _where(one) for name, one in options.contexts.items()},
        epoch=epoch_text(),
        file=file and os.path.abspath(file),
        ignore_file=options.ignore_file and os.path.abspath(options.ignore_file),
        text=text,
    )
    key = hashlib.sha256(canonical_json(facts)).hexdigest()[:32]
    return Snapshots(home, root).folder / f"dockerfile-{key}"


def _where(context: str) -> str:
    """Return a context that is a folder by its own path, wherever the command is started."""
    path = os.path.expanduser(context)
    return os.path.realpath(path) if os.path.isdir(path) else context


def _plain(value: Any) -> Any:
    return (
        dict(value)
        if isinstance(value, Mapping)
        else list(value)
        if isinstance(value, tuple | list)
        else value
    )


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

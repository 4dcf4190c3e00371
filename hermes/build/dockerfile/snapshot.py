"""What a build of a Dockerfile looked at, remembered so that the next one can tell that nothing changed.

It is found by the options and the Dockerfile's text, and holds what tells that each file and folder is the same, what
the names of images in the store meant, and the image. See `hermes.build.memory.snapshot` for how it is kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import PULL_ALWAYS, DockerfileOptions, dockerfile_of, folder_of
from hermes.build.epoch import epoch_text
from hermes.build.memory.looked import Image, Looked, keep_image, same_image
from hermes.build.memory.snapshot import Snapshots
from hermes.digest import canonical_json
from hermes.store import Store
from hermes.store.location import is_made

_OPTIONS: Final = (
    *("annotations", "arguments", "compression", "format", "labels", "layers", "network", "platform"),
    *("pull", "seconds", "squash", "target", "capabilities", "hosts", "env", "unset_env"),
)
"""The options that decide what the image is, where no snapshot is kept for the others."""


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
    found = same_image(_place(options, home, root, file, text), home, options.tags)
    if found is None:
        return None
    for warning in found.warnings:
        say(f"warning: {service} {warning}" if service else f"warning: {warning}")
    return BuiltDockerfile(found.manifest, (), found.actions, tuple(options.tags))


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
    if not _is_told_more(options):
        place = _place(options, store.home, root, *dockerfile)
        image = Image(built.manifest, built.cached + len(built.executed), warnings)
        keep_image(place, store, looked, image)


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

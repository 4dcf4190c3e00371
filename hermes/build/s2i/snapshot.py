"""What a build of an application looked at, remembered so that the next one can tell that nothing changed.

Only builds of a folder as it is are remembered: what a branch of a repository or an address means is asked each time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import PULL_ALWAYS
from hermes.build.epoch import epoch_text
from hermes.build.memory.looked import Image, Looked, keep_image, same_image
from hermes.build.memory.snapshot import Snapshots
from hermes.build.s2i.options import S2IOptions
from hermes.digest import canonical_json
from hermes.store import Store
from hermes.store.location import is_made

_DECIDES_NOTHING: Final = ("jobs", "runtime", "use_cache")


def unchanged(options: S2IOptions, home: Path, say: Callable[[str], None]) -> BuiltDockerfile | None:
    """Return what the last build of the same gave and name it, if nothing changed since; its warnings are said again."""
    pulls = options.pull, options.runtime_pull, options.incremental_pull
    if not (options.use_cache and _is_known(options) and is_made(home)) or PULL_ALWAYS in pulls:
        return None
    tags = (options.tag,) if options.tag else ()
    found = same_image(_place(options, home), home, tags)
    if found is None:
        return None
    for warning in found.warnings:
        say(warning)
    return BuiltDockerfile(found.manifest, (), found.actions, tags)


def remember(
    options: S2IOptions, store: Store, looked: Looked, built: BuiltDockerfile, warnings: Sequence[str]
) -> None:
    """Write what `unchanged` reads."""
    if _is_known(options):
        image = Image(built.manifest, built.cached + len(built.executed), warnings)
        keep_image(_place(options, store.home), store, looked, image)


def _is_known(options: S2IOptions) -> bool:
    """Tell whether a build is known by what it looks at, and tells nobody of it."""
    return not (options.volumes or options.callback_url)


def _place(options: S2IOptions, home: Path) -> Path:
    folder = os.path.realpath(os.path.expanduser(options.source.removeprefix("file://")))
    facts = {name: value for name, value in asdict(options).items() if name not in _DECIDES_NOTHING}
    facts.update(
        epoch=epoch_text(), source=folder, folder=os.path.realpath(f"{folder}/{options.context_dir}")
    )
    key = hashlib.sha256(canonical_json(facts)).hexdigest()[:32]
    return Snapshots(home, Path(folder)).folder / f"s2i-{key}"

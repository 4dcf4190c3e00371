"""What a build looked at, remembered so that the next one can tell what changed without doing it again.

Two files for each set of targets and configuration: the check, read whole by every build, and the state,
read only when something changed. Both are `marshal` data behind a sha256; one that is damaged or of another
version is as good as none.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hermes.api.result import BuildResult, BuiltOutput
from hermes.store import Store
from hermes.version import __version__

_VERSION: Final = f"1 {__version__} {sys.version}"

FileSignature = tuple[int, int, int, int]
FolderSignature = tuple[int, int, int]
FolderRow = tuple[FolderSignature, str]


@dataclass(slots=True)
class Check:
    """What tells that nothing changed.

    ``sources`` maps files of the workspace, by relative path, to (mtime, ctime, size, inode); ``folders``
    maps folders to (mtime, ctime, inode) and the digest of their names; ``rules`` and ``outputs`` map
    absolute paths of Hermes' own rule files, and of what was built, to signatures (`output_signature` for these).
    """

    sources: dict[str, FileSignature] = field(default_factory=dict)
    folders: dict[str, FolderRow] = field(default_factory=dict)
    rules: dict[str, FileSignature] = field(default_factory=dict)
    outputs: dict[str, FileSignature] = field(default_factory=dict)
    cached: int = 0
    targets: Mapping[str, tuple[BuiltOutput, ...]] = field(default_factory=dict)

    @property
    def result(self) -> BuildResult:
        """The result of a build to which nothing changed."""
        return BuildResult((), self.cached, self.targets)


@dataclass(slots=True)
class State:
    """What the last build knew, as plain data.

    ``sources`` maps files to kind and digest; ``analysis`` names those that the targets themselves depend
    on; ``actions``, ``known`` and ``wanted`` are as `hermes.api.build` packs them.
    """

    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    analysis: tuple[str, ...] = ()
    actions: list[Any] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)
    wanted: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Changes:
    """How the disk differs from a check: paths relative to the workspace, and whether the rest is as it was."""

    sources: list[str]
    folders: list[str]
    rules: bool
    outputs: bool

    def __bool__(self) -> bool:
        return bool(self.sources or self.folders or self.rules or self.outputs)


def changes(check: Check, root: str) -> Changes:
    """Compare a check with what is on disk."""
    lstat = os.lstat
    prefix = f"{root}/"
    changed = []
    for path, known in check.sources.items():
        try:
            status = lstat(prefix + path)
        except OSError:
            changed.append(path)
            continue
        if (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino) != known:
            changed.append(path)
    folders = []
    for path, (known_folder, _) in check.folders.items():
        try:
            status = lstat(prefix + path)
        except OSError:
            folders.append(path)
            continue
        if (status.st_mtime_ns, status.st_ctime_ns, status.st_ino) != known_folder:
            folders.append(path)
    return Changes(
        changed, folders, _differ(check.rules, signature), _differ(check.outputs, output_signature)
    )


def _differ(known: Mapping[str, FileSignature], look: Callable[[str], FileSignature]) -> bool:
    return any(look(path) != before for path, before in known.items())


def signature(path: str) -> FileSignature:
    """Return what tells that a file or folder is still the same; all zero when it is not there."""
    try:
        status = os.lstat(path)
    except OSError:
        return 0, 0, 0, 0
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def output_signature(path: str) -> FileSignature:
    """Return a `signature` without the ctime, which changes when a blob gets or loses a name elsewhere."""
    mtime, _, size, inode = signature(path)
    return mtime, 0, size, inode


class Snapshots:
    """The snapshots of one workspace in a store."""

    def __init__(self, store_home: Path, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
        self.folder = store_home / "index" / name
        self.files = self.folder / "files"

    def check(self, key: str) -> Check | None:
        """Return the check of the last build of the same things."""
        row = _read(self.folder / f"{key}.check")
        if row is None:
            return None
        sources, folders, rules, outputs, cached, targets = row
        built = {label: tuple(BuiltOutput(*one) for one in listed) for label, listed in targets}
        return Check(sources, folders, rules, outputs, cached, built)

    def state(self, key: str) -> State | None:
        row = _read(self.folder / f"{key}.state")
        return State(*row) if row is not None else None

    def save(self, store: Store, key: str, check: Check, state: State) -> None:
        """Write both files; the check last, because it vouches for the other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.forget(key)
        _write(
            store,
            self.folder / f"{key}.state",
            (state.sources, state.analysis, state.actions, state.known, state.wanted),
        )
        targets = [
            (label, [tuple(map(str, one)) for one in outputs]) for label, outputs in check.targets.items()
        ]
        _write(
            store,
            self.folder / f"{key}.check",
            (check.sources, check.folders, check.rules, check.outputs, check.cached, targets),
        )

    def forget(self, key: str) -> None:
        (self.folder / f"{key}.check").unlink(missing_ok=True)


def _write(store: Store, path: Path, value: Any) -> None:
    body = marshal.dumps((_VERSION, value))
    store.write(path, hashlib.sha256(body).digest() + body)


def _read(path: Path) -> Any:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = memoryview(data)[32:]
    if hashlib.sha256(body).digest() != data[:32]:
        return None
    version, value = marshal.loads(body)  # noqa: S302 - the user's own store, checked above for damage
    return value if version == _VERSION else None

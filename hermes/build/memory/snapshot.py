"""What a build looked at, remembered so that the next one can tell what changed without doing it again.

Three files for each set of targets and configuration: the check, read by every build; the state, read when
something changed; and the graph, which stays as it is as long as only sources change. They are `marshal` data
behind a sha256; one that is damaged, of another version or of another graph is as good as none.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hermes.build.memory.signatures import Signatures, output_signature, signature
from hermes.build.result import BuildResult, BuiltOutput
from hermes.version import __version__

if TYPE_CHECKING:
    from hermes.store import Store

_VERSION: Final = f"3 {__version__} {sys.version}"

FolderSignature = tuple[int, int, int]
FolderRow = tuple[FolderSignature, str]


@dataclass(slots=True)
class Check:
    """What tells that nothing changed.

    ``sources`` are files of the workspace, by relative path; ``folders`` maps folders to (mtime, ctime, inode)
    and the digest of their names; ``rules`` and ``outputs`` are Hermes' own rule files, and what was built,
    by absolute path. ``state`` names the state that belongs to it.
    """

    sources: Signatures
    folders: dict[str, FolderRow]
    rules: Signatures
    outputs: Signatures
    cached: int
    targets: Mapping[str, tuple[BuiltOutput, ...]]
    state: str = ""

    @property
    def result(self) -> BuildResult:
        """The result of a build to which nothing changed."""
        return BuildResult((), self.cached, self.targets)


@dataclass(slots=True)
class Graph:
    """What the targets came to, as plain data.

    ``analysis`` names the files that the targets themselves depend on; ``actions`` and ``wanted`` are as
    `hermes.build.memory.packed` has them. ``name`` is another one for every graph.
    """

    analysis: tuple[str, ...]
    actions: list[Any]
    wanted: list[Any]
    name: str = field(default_factory=lambda: os.urandom(8).hex())


@dataclass(slots=True)
class State:
    """What the last build knew: ``sources`` maps files to kind and digest, ``known`` is packed."""

    sources: dict[str, tuple[str, str]]
    known: dict[str, Any]
    graph: Graph


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
    folders = []
    for path, (known, _) in check.folders.items():
        try:
            status = os.lstat(f"{root}/{path}")
        except OSError:
            folders.append(path)
            continue
        if (status.st_mtime_ns, status.st_ctime_ns, status.st_ino) != known:
            folders.append(path)
    rules, outputs = check.rules.differ(signature), check.outputs.differ(output_signature)
    return Changes(check.sources.changed(root), folders, rules, outputs)


class Snapshots:
    """The snapshots of one workspace in a store."""

    def __init__(self, store_home: Path, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
        self.folder = store_home / "index" / name
        self.files = self.folder / "files"

    def check(self, key: str) -> Check | None:
        """Return the check of the last build of the same things."""
        row = read_row(self.folder / f"{key}.check")
        if row is None:
            return None
        sources, folders, rules, outputs, cached, targets, state = row
        built = {label: tuple(BuiltOutput(*one) for one in listed) for label, listed in targets}
        load = Signatures.load
        return Check(load(sources), folders, load(rules), load(outputs), cached, built, state)

    def state(self, key: str, check: Check | None = None) -> State | None:
        """Return what the last build of the same things knew; None if that is not the build of the ``check``."""
        row = read_row(self.folder / f"{key}.state")
        graph = read_row(self.folder / f"{key}.graph") if row is not None else None
        if graph is None or graph[-1] != row[2] or (check is not None and check.state != row[3]):
            return None
        return State(row[0], row[1], Graph(*graph))

    def save(self, store: Store, key: str, check: Check, state: State, before: State | None) -> None:
        """Write what differs from the state ``before``; the check last, because it vouches for the others."""
        from hermes.store.faults import storing

        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.forget(key)
        graph, name = state.graph, os.urandom(8).hex()
        if before is None or before.graph is not graph:
            write_row(
                store, self.folder / f"{key}.graph", (graph.analysis, graph.actions, graph.wanted, graph.name)
            )
        write_row(store, self.folder / f"{key}.state", (state.sources, state.known, graph.name, name))
        targets = [
            (label, [tuple(map(str, one)) for one in outputs]) for label, outputs in check.targets.items()
        ]
        plain = (
            check.sources.dump(),
            check.folders,
            check.rules.dump(),
            check.outputs.dump(),
            check.cached,
            targets,
            name,
        )
        write_row(store, self.folder / f"{key}.check", plain)

    def forget(self, key: str) -> None:
        (self.folder / f"{key}.check").unlink(missing_ok=True)


def write_row(store: Store, path: Path, value: Any) -> None:
    """Write plain values for `read_row`."""
    body = marshal.dumps((_VERSION, value))
    store.write(path, hashlib.sha256(body).digest() + body)


def read_row(path: Path) -> Any:
    """Return what was written by this version, or None."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = memoryview(data)[32:]
    if hashlib.sha256(body).digest() != data[:32]:
        return None
    version, value = marshal.loads(body)  # noqa: S302 - the user's own store, checked above for damage
    return value if version == _VERSION else None

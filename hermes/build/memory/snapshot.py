"""What a build looked at, remembered so that the next one can tell what changed without doing it again.

Three files for each set of targets and configuration: the check, read by every build; the rows of packages, read
when something changed; and their records, of which a build reads and writes those that a change touches
(`hermes.build.memory.records`). Check and rows are `marshal` data behind a sha256; what is damaged or of another
version is as good as none.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hermes.build.memory.signatures import Signatures
from hermes.build.result import BuildResult, BuiltOutput
from hermes.store.regular import read_regular
from hermes.version import __version__

if TYPE_CHECKING:
    from hermes.build.memory.records import Memory, Update
    from hermes.store import Store

_VERSION: Final = f"9 {__version__} {sys.version}"

FolderSignature = tuple[int, int, int]
FolderRow = tuple[FolderSignature, str]


@dataclass(slots=True)
class Check:
    """What tells that nothing changed.

    ``sources`` are files of the workspace, by relative path; ``folders`` maps folders to (mtime, ctime, inode)
    and the digest of their names; ``rules`` and ``outputs`` are Hermes' own rule files, and what was built,
    by absolute path. ``state`` names the state that belongs to it. Where it is not ``whole``, a part of what was built is with a
    remote service.
    """

    sources: Signatures
    folders: dict[str, FolderRow]
    rules: Signatures
    outputs: Signatures
    cached: int
    targets: Mapping[str, tuple[BuiltOutput, ...]]
    whole: bool = True
    state: str = ""

    @property
    def result(self) -> BuildResult:
        """The result of a build to which nothing changed."""
        return BuildResult((), self.cached, self.targets)


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
    rules, outputs = check.rules.differ(), check.outputs.outputs_differ()
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
        sources, folders, rules, outputs, cached, targets, whole, state = row
        built = {label: tuple(BuiltOutput(*one) for one in listed) for label, listed in targets}
        load = Signatures.load
        return Check(load(sources), folders, load(rules), load(outputs), cached, built, whole, state)

    @contextmanager
    def memory(self, key: str) -> Iterator[Memory | None]:
        """Return what the last build of the same things knew of packages. It is that of the check of the same name."""
        from hermes.build.memory.records import Memory, Place, Records, rows_of

        row = read_row(self.folder / f"{key}.packages")
        places = read_row(self.folder / f"{key}.places")
        records = None
        if row is not None and places is not None and places[0] == row[0]:
            records = Records.open(self.folder / places[1])
        if records is None:
            yield None
            return
        rows_name, wanted, settings, plain = row
        found = {package: Place(*place) for package, place in places[3].items()}
        try:
            yield Memory(places[2], rows_name, rows_of(plain), wanted, settings, found, records)
        finally:
            records.close()

    def save(self, store: Store, key: str, check: Check, update: Update) -> None:
        """Write what differs from what was before; the check last, because it vouches for the others."""
        from hermes.build.memory.records import plain_rows, write
        from hermes.store.io_errors import storing

        before = update.before
        name, rows_name = os.urandom(8).hex(), os.urandom(8).hex()
        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.forget(key)
            file, places = write(update, self.folder, key)
            if before is not None and update.is_same:
                rows_name = before.rows_name
            else:
                row = rows_name, update.wanted, update.settings, plain_rows(update.rows)
                write_row(store, self.folder / f"{key}.packages", row)
            plain = {package: tuple(place) for package, place in places.items()}
            write_row(store, self.folder / f"{key}.places", (rows_name, file, name, plain))
            for path in self.folder.glob(f"{key}.*.records"):
                if path.name != file:
                    path.unlink(missing_ok=True)
        targets = [
            (label, [tuple(map(str, one)) for one in outputs]) for label, outputs in check.targets.items()
        ]
        checked = (
            check.sources.dump(),
            check.folders,
            check.rules.dump(),
            check.outputs.dump(),
            check.cached,
            targets,
            check.whole,
            name,
        )
        write_row(store, self.folder / f"{key}.check", checked)

    def forget(self, key: str) -> None:
        (self.folder / f"{key}.check").unlink(missing_ok=True)


def write_row(store: Store, path: Path, value: Any) -> None:
    """Write plain values for `read_row`."""
    body = marshal.dumps((_VERSION, value))
    store.write_pieces(path, (hashlib.sha256(body).digest(), body))


def read_row(path: Path) -> Any:
    """Return what was written by this version, or None."""
    try:
        data = read_regular(path)
    except OSError:
        return None
    body = memoryview(data)[32:]
    if hashlib.sha256(body).digest() != data[:32]:
        return None
    version, value = marshal.loads(body)  # noqa: S302 - the user's own store, checked above for damage
    return value if version == _VERSION else None

"""What the last build knew of each package: rows that are read whole, and records of which only those needed are.

A row holds names, digests and dependencies: enough to find out which packages a change touches. The record has the
rest: the actions, what they and the targets gave, the files and folders. Records are `marshal` data behind a checksum,
one after another in a file of their own; a build appends those that it changed, and writes all again when more than
half of the file is out of date.

Targets are named by keys, ``LABEL@PLATFORM``, packages by their folders, and files by paths relative to the workspace.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import marshal
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

OUTSIDE: Final = "\0"
"""Stands for a package, for the files and folders that are in none."""

_CHECKSUM: Final = 16
_LEAST_WASTE: Final = 1 << 20
_TRIES: Final = 8
"""How often a file is made: a build of the same targets that ends just then removes those of others."""

FileRow = tuple[int, int, int, int, str, str]
"""What `hermes.workspace.sources.FileRecord` holds."""
ListingRow = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Names of files, of folders and of links."""
VisibilityRow = tuple[bool, tuple[str, ...], tuple[str, ...], tuple[tuple[tuple[str, ...], ...], ...]]
"""What `hermes.graph.targets.Visibility` holds, with its groups found."""
ConditionRow = tuple[str, tuple[tuple[str, str], ...]]
"""The platform and the values of a condition."""

WantedRow = tuple[str, str, str, str, str]
"""What `hermes.build.requested_outputs.Wanted` holds."""


class Place(NamedTuple):
    """Where a record is in the file."""

    start: int
    size: int


class TargetRow(NamedTuple):
    """A target for one platform.

    ``digest`` is of what it provides. ``asked`` are the keys that it asks for, and ``finals`` what these turned out to
    be; ``conditions`` labels of conditions; ``read`` paths that its analysis read; ``actions`` ids, each with those of
    the actions that it reads, of which those in ``idle`` are not needed and so have no result; ``foreign`` names other
    packages whose files they read; ``wanted`` are rows of `hermes.build.requested_outputs.Wanted`, if the build is of this target.
    """

    rule: str
    visibility: VisibilityRow
    digest: bytes
    asked: tuple[str, ...]
    finals: tuple[str, ...]
    conditions: tuple[str, ...]
    read: tuple[str, ...]
    actions: tuple[tuple[str, tuple[str, ...]], ...]
    idle: tuple[str, ...]
    foreign: tuple[str, ...]
    wanted: tuple[WantedRow, ...]


class PackageRow(NamedTuple):
    """A package.

    ``files`` are the BUILD file and, if it is a link, what it leads to; ``loaded`` the ``.bzl`` files; ``listed`` the
    names of targets that patterns mean, ``unlisted`` of the others; ``conditions`` by name; ``finals`` maps keys to the
    keys that they turned out to be, where those differ.
    """

    files: tuple[str, ...]
    loaded: tuple[str, ...]
    listed: tuple[str, ...]
    unlisted: tuple[str, ...]
    conditions: dict[str, ConditionRow]
    finals: dict[str, str]
    targets: dict[str, TargetRow]


@dataclass(slots=True)
class Record:
    """What belongs to a package besides its row.

    ``actions`` are as `hermes.build.memory.packed` has them, by id; ``provided`` are as `hermes.dsl.plain` has them, by
    key; ``known`` are results, by id; ``files`` and ``listings`` those that were looked at.
    """

    actions: dict[str, Any] = field(default_factory=dict)
    provided: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)
    files: dict[str, FileRow] = field(default_factory=dict)
    listings: dict[str, ListingRow] = field(default_factory=dict)

    def dump(self) -> bytes:
        plain = (self.actions, self.provided, self.known, self.files, self.listings)
        body = marshal.dumps(plain)
        return _checksum(body) + body

    @classmethod
    def load(cls, data: bytes) -> Record:
        """Raises `DamagedRecord`."""
        body = data[_CHECKSUM:]
        if _checksum(body) != data[:_CHECKSUM]:
            raise DamagedRecord
        return cls(*marshal.loads(body))  # noqa: S302 - the user's own store, checked above for damage


class DamagedRecord(Exception):
    """A record is not what was written."""


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECKSUM).digest()


class Records:
    """An open file of records."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def open(cls, path: Path) -> Records | None:
        """Open a file; None if it is not there."""
        try:
            return cls(path, os.open(path, os.O_RDWR | os.O_CLOEXEC))
        except OSError:
            return None

    @classmethod
    def make(cls, folder: Path, prefix: str) -> Records:
        """Make an empty file with a name of its own; raises `OSError`."""
        path = folder / f"{prefix}.{os.urandom(8).hex()}.records"
        return cls(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))

    def read(self, place: Place) -> bytes:
        return os.pread(self._fd, place.size, place.start)

    def append(self, bodies: Mapping[str, bytes]) -> dict[str, Place] | None:
        """Write records at the end; None if the file has been removed since. Raises `OSError`."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            status = os.fstat(self._fd)
            if not status.st_nlink:
                return None
            places, start = {}, status.st_size
            for name, body in bodies.items():
                places[name] = Place(start, len(body))
                start += len(body)
            _write(self._fd, b"".join(bodies.values()), status.st_size)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        return places

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        os.close(self._fd)


def _write(fd: int, data: bytes, start: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, start)
        view, start = view[written:], start + written


class Memory:
    """What the last build of the same targets knew.

    ``wanted`` are the keys of what was built, ``settings`` the paths of ``hermes.yaml``; ``places`` those of all records.
    ``name`` is another one for each state, ``rows_name`` for each of the rows.
    """

    def __init__(
        self,
        name: str,
        rows_name: str,
        rows: dict[str, PackageRow],
        wanted: tuple[str, ...],
        settings: tuple[str, ...],
        places: dict[str, Place],
        records: Records,
    ) -> None:
        self.rows = rows
        self.wanted = wanted
        self.places = places
        self.settings = settings
        self.records = records
        self.name = name
        self.rows_name = rows_name
        self._read: dict[str, Record] = {}

    def record(self, package: str) -> Record:
        """Return the record of a package, or of `OUTSIDE`; raises `DamagedRecord`."""
        found = self._read.get(package)
        if found is None:
            found = self._read[package] = self._load(package)
        return found

    def every(self) -> Iterator[Record]:
        """Yield all records, which are not kept; raises `DamagedRecord`."""
        return map(self._load, (OUTSIDE, *self.rows))

    def _load(self, package: str) -> Record:
        return Record.load(self.records.read(self.places[package]))

    def file(self, path: str) -> FileRow | None:
        """Return what was known of a file."""
        return self.record(owner(self.rows, path)).files.get(path)

    def listing(self, folder: str) -> ListingRow | None:
        """Return what a folder held."""
        return self.record(owner_of_folder(self.rows, folder)).listings.get(folder)


def owner(rows: Mapping[str, object], path: str) -> str:
    """Return the one of packages that a file belongs to, or `OUTSIDE`."""
    return owner_of_folder(rows, path.rpartition("/")[0])


def owner_of_folder(rows: Mapping[str, object], folder: str) -> str:
    """Return the one of packages that a folder belongs to, or `OUTSIDE`."""
    while folder not in rows:
        if not folder:
            return OUTSIDE
        folder = folder.rpartition("/")[0]
    return folder


class Cycle(Exception):
    """Targets depend on each other."""


def package_of(text: str) -> str:
    """Return the package of a label or a key."""
    return text[2 : text.index(":")]


def dependency_order(dependencies: Callable[[str], Sequence[str]], wanted: Iterable[str]) -> list[str]:
    """Return keys and what they need, each after its dependencies; raises `Cycle`."""
    order: dict[str, None] = {}
    entered: set[str] = set()
    for start in wanted:
        pending = [start]
        while pending:
            one = pending[-1]
            if one in order:
                pending.pop()
                continue
            below = [name for name in dependencies(one) if name not in order]
            if not below:
                order[pending.pop()] = None
                continue
            if one in entered:
                raise Cycle
            entered.add(one)
            pending.extend(reversed(below))
    return list(order)


@dataclass(slots=True)
class Update:
    """The memory after a build: all rows, and those records that are not as they were ``before`` (without: all)."""

    rows: dict[str, PackageRow]
    wanted: tuple[str, ...]
    settings: tuple[str, ...]
    records: dict[str, Record]
    before: Memory | None = None

    @property
    def is_same(self) -> bool:
        """Whether only records changed."""
        return self.before is not None and self.rows is self.before.rows


def plain_rows(rows: Mapping[str, PackageRow]) -> dict[str, Any]:
    """Return rows for `rows_of`."""
    return {
        name: (*row[:-1], {key: tuple(one) for key, one in row.targets.items()}) for name, row in rows.items()
    }


def rows_of(plain: Mapping[str, Any]) -> dict[str, PackageRow]:
    package, target = PackageRow._make, TargetRow._make
    return {
        name: package((*row[:-1], {key: target(one) for key, one in row[-1].items()}))
        for name, row in plain.items()
    }


def write(update: Update, folder: Path, prefix: str) -> tuple[str, dict[str, Place]]:
    """Write the records of an update; return the name of the file, and the places of all records in it.

    Raises `OSError`, and `DamagedRecord` where a record that is to be copied is not what was written.
    """
    bodies = {name: record.dump() for name, record in update.records.items()}
    before = update.before
    if before is not None:
        kept = {name: before.places[name] for name in (OUTSIDE, *update.rows) if name not in bodies}
        added = sum(map(len, bodies.values()))
        live = added + sum(place.size for place in kept.values())
        waste = before.records.size + added - live
        if waste < max(live, _LEAST_WASTE) and (places := before.records.append(bodies)) is not None:
            return before.records.path.name, {**kept, **places}
        bodies.update((name, _copied(before, place)) for name, place in kept.items())
    for _ in range(_TRIES):
        records = Records.make(folder, prefix)
        try:
            written = records.append(bodies)
        finally:
            records.close()
        if written is not None:
            return records.path.name, written
    raise FileNotFoundError(errno.ENOENT, "builds of the same targets remove it at once", str(records.path))


def _copied(before: Memory, place: Place) -> bytes:
    body = before.records.read(place)
    Record.load(body)
    return body

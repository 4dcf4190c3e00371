"""Which packages and targets a change in the workspace touches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from hermes.build.memory.records import FileRow, Memory, WantedRow, owner_of_folder, package_of
from hermes.build.memory.snapshot import Changes, Check, FolderRow
from hermes.build.outputs import in_one_place, place_of
from hermes.build.requested_outputs import Wanted
from hermes.build.result import BuiltOutput
from hermes.digest import Digest
from hermes.errors import SourceError
from hermes.workspace.listing import BUILD_FILES, Folders
from hermes.workspace.sources import FileIndex


class Forgotten(Exception):
    """What is remembered is of no use: everything has to be looked at."""


@dataclass(slots=True)
class Touched:
    """What is not as the last build left it.

    ``sources`` are files that are not what they were; ``packages`` are to be loaded again, those in ``gone`` are not
    there any more, those in ``new`` were not there; ``targets`` are keys of those that are to be analyzed again.
    ``folders`` are those of the check, as they are now.
    """

    sources: set[str]
    folders: dict[str, FolderRow]
    packages: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)
    targets: set[str] = field(default_factory=set)

    @property
    def rules(self) -> bool:
        """Whether more than the content of sources changed."""
        return bool(self.packages or self.gone or self.new or self.targets)


def changed_sources(
    index: FileIndex, paths: Iterable[str], file: Callable[[str], FileRow | None]
) -> set[str]:
    """Return those of ``paths`` whose content or kind is not what ``file`` says."""
    changed = set()
    for path in paths:
        try:
            row = index.known(path)
        except SourceError:
            changed.add(path)
        else:
            before = file(path)
            if before is None or (row.kind, row.digest) != before[4:]:
                changed.add(path)
    return changed


def touched(memory: Memory, check: Check, found: Changes, index: FileIndex, folders: Folders) -> Touched:
    """Return what the differences of the disk from the last build touch. Raises `Forgotten`."""
    sources = changed_sources(index, found.sources, memory.file)
    if found.rules or not sources.isdisjoint(memory.settings):
        raise Forgotten
    result = Touched(sources, check.folders)
    moved = _look_at_folders(memory, found.folders, folders, result) if found.folders else set()
    _look_at_files(memory, moved, result)
    result.packages -= result.gone
    return result


def linked_before(
    memory: Memory, check: Check, wanted: Iterable[tuple[str, tuple[WantedRow, ...]]]
) -> list[BuiltOutput | None]:
    """Return what the last build linked for each wanted output of targets, by their keys; None for those it had not.

    Of outputs that have one place, then or now, only the last is there: all of them are linked again.
    """
    now = [(text, text.rpartition("@")[0], rows) for text, rows in wanted]
    shared = {label for one, other, _ in in_one_place(check.targets) for label in (one, other)}
    places = {label: [place_of(Wanted(*row)) for row in rows if row[-1]] for _, label, rows in now}
    shared.update(label for one, other, _ in in_one_place(places) for label in (one, other))
    found: list[BuiltOutput | None] = []
    for text, label, rows in now:
        package = memory.rows.get(package_of(text))
        last = package.targets.get(text) if package else None
        outputs = check.targets.get(label, ())
        if last is not None and label not in shared and last.wanted == rows and len(outputs) == len(rows):
            found.extend(BuiltOutput(kind, Digest(digest), path) for kind, digest, path in outputs)
        else:
            found.extend([None] * len(rows))
    return found


def _look_at_folders(
    memory: Memory, paths: Collection[str], folders: Folders, result: Touched
) -> Collection[str]:
    """Note what other names in folders touch; return the folders that may belong to another package now."""
    rows, before = memory.rows, result.folders
    gone: set[str] = set()
    moved: set[str] = set()
    current = dict(before)
    for path in sorted(paths):
        if _is_below(path, gone):
            continue
        try:
            now = folders.listing(path)
        except SourceError:
            gone.add(path)
            continue
        current[path] = now.signature, now.digest
        if now.digest == before[path][1]:
            continue
        listing = memory.listing(path)
        if listing is None:
            raise Forgotten
        files, inner, _ = listing
        result.packages.add(owner_of_folder(rows, path))
        gone.update(_joined(path, name) for name in inner if name not in now.folders)
        for name in now.folders:
            if name not in inner:
                moved.add(_joined(path, name))
                result.new.update(folders.packages(_joined(path, name)))
        if now.build_file != next((name for name in BUILD_FILES if name in files), ""):
            moved.add(path)
            if path:
                result.packages.add(owner_of_folder(rows, path.rpartition("/")[0]))
            if not now.build_file:
                result.gone.add(path)
            elif path not in rows:
                result.new.add(path)
    result.gone.update(name for name in rows if _is_below(name, gone))
    result.gone.intersection_update(rows)
    result.new.difference_update(rows)
    result.packages.intersection_update(rows)
    result.folders = {path: row for path, row in current.items() if not _is_below(path, gone)}
    return moved | gone


def _look_at_files(memory: Memory, moved: Collection[str], result: Touched) -> None:
    """Note the packages and targets that read what changed, or load a file that may be of another package now."""
    changed = result.sources
    loaded: dict[tuple[str, ...], bool] = {}
    for name, row in memory.rows.items():
        is_touched = loaded.get(row.loaded)
        if is_touched is None:
            is_touched = loaded[row.loaded] = not changed.isdisjoint(row.loaded) or any(
                _is_below(path, moved) for path in row.loaded
            )
        if is_touched or not changed.isdisjoint(row.files):
            result.packages.add(name)
        for key, target in row.targets.items():
            if target.read and not changed.isdisjoint(target.read):
                result.targets.add(key)


def _is_below(path: str, folders: Collection[str]) -> bool:
    """Tell whether a path is one of some folders, or below one."""
    return bool(folders) and any(one in folders for one in _upward(path))


def _upward(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name

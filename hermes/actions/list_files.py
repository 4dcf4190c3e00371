"""``list_files``: some files of a stack of layers, as a list. What else is in the stack changes nothing of it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final, NamedTuple

from hermes.actions.listing import Listing, dump_locations
from hermes.actions.roots import Root
from hermes.actions.specs.list_files import ListFiles
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.digest import Digest
from hermes.engine.action import FILE as FILE_KIND
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError, UsageError
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, Entry, is_copied, join
from hermes.wildcards import Ignored, expanded, is_pattern

PIVOT: Final = "/./"
"""In a source of ``--parents``: what stands before it is not kept."""


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `BuildError` when a source is not there, or a pattern matches nothing that is not ``optional``."""
    spec = of_request(ListFiles[Resolved], request)
    selection = _Selection(spec, tools)
    found = [one for source in spec.sources for one in selection.matching(source)]
    single = not found or (len(found) == 1 and not spec.parents and not selection.is_folder(found[0][0]))
    several = spec.notes_several and len(found) > 1 and not selection.is_folder(found[0][0])
    for path, name, kept in found:
        selection.add(path, name, kept)
    entries, locations = selection.listed()
    return {
        "listing": stored(tools.store, FILE_KIND, Listing(single, entries, several).dump()),
        "content": stored(tools.store, FILE_KIND, dump_locations(locations)),
    }


class _Found(NamedTuple):
    """An entry of the list, the layer and the path there of its bytes, and the number of the source that it belongs to."""

    entry: Entry
    place: tuple[Digest, str]
    source: int


class _Selection:
    def __init__(self, spec: ListFiles[Resolved], tools: Tools) -> None:
        self._spec = spec
        self._root = Root(spec.roots, tools)
        self._view = self._root.view
        self._excluded = Ignored(spec.exclude, of="--exclude")
        self._found: dict[str, _Found] = {}
        self._sources = 0

    def is_folder(self, path: str) -> bool:
        return self._view.is_folder(path)

    def matching(self, source: str) -> Iterator[tuple[str, str, str]]:
        """Yield the files that a source names: path without links, path as named, and the part of that which is kept."""
        before, pivot, after = f"/{source.lstrip('/')}".partition(PIVOT)
        inside = _normal(source)
        start = len(_normal(before)) + 1 if pivot and after and _normal(before) else 0
        path = self._view.resolve(inside)
        if self._view.exists(path) or not inside:
            yield path, inside, inside[start:]
            return
        if not is_pattern(source):
            raise BuildError(f"{source.replace(PIVOT, '/')} is not there in {self._spec.from_}")
        try:
            matches = expanded(inside, self._names, self._folders if self._spec.parents else None)
        except UsageError as error:
            raise BuildError(error.message, hint=error.hint) from None
        if not matches and not self._spec.optional:
            raise BuildError(f"{source} matches nothing in {self._spec.from_}")
        for name in matches:
            yield self._view.resolve(name), name, name[start:]

    def _names(self, folder: str) -> list[str]:
        return self._view.names(self._view.resolve(folder))

    def _folders(self, folder: str) -> list[str]:
        path = self._view.resolve(folder)
        return [name for name in self._view.names(path) if self._view.is_folder(join(path, name))]

    def add(self, path: str, name: str, kept: str) -> None:
        """Take in a file, or what is in a folder."""
        self._sources += 1
        if self._spec.parents:
            base = self._with_parents(path, kept)
        else:
            base = "" if self.is_folder(path) else posixpath.basename(name)
        if not self.is_folder(path):
            if not self._excluded.leaves_out(posixpath.basename(name)):
                self._take(path, base)
            return
        if self._spec.whole:
            self._take(path, "")
        for inner, _ in self._view.below(path):
            if not self._excluded.leaves_out(inner):
                self._take(join(path, inner), join(base, inner))

    def _with_parents(self, path: str, kept: str) -> str:
        """Take in the folders on the way to a source, and return where it is."""
        parts = kept.split("/") if kept else []
        above = path
        folders = []
        for count in range(len(parts), 0, -1):
            folders.append((above, "/".join(parts[:count])))
            above = posixpath.dirname(above)
        for folder, name in reversed(folders):
            if self.is_folder(folder):
                self._take(folder, name)
        return kept

    def _take(self, path: str, name: str) -> None:
        origin = self._view.origin(path)
        entry = self._view.entry(path) if origin is None else origin.entry
        if not self._spec.keep_owners:
            entry = entry._replace(uid=0, gid=0)
        entry = entry._replace(
            path=name,
            xattrs=tuple(one for one in entry.xattrs if is_copied(one[0])),
            mtime=0,
            passed=False,
        )
        place = (Digest(""), "") if origin is None else (self._root.layers[origin.layer], origin.path)
        self._found[name] = _Found(entry, place, self._sources)

    def listed(self) -> tuple[list[Entry], list[tuple[Digest, str]]]:
        """Return what was taken in and where it is. Names are hard links where one source folder has them so."""
        first_names: dict[tuple[int, tuple[Digest, str]], str] = {}
        rows: list[_Found] = []
        for one in sorted(self._found.values(), key=lambda one: one.entry.sort_key):
            entry = one.entry
            if entry.type == FILE:
                first = first_names.setdefault((one.source, one.place), entry.path)
                if first != entry.path:
                    entry = entry._replace(type=HARDLINK, size=0, digest="", link=first, xattrs=())
            rows.append(one._replace(entry=entry))
        order = {DIRECTORY: 0, HARDLINK: 2}
        rows.sort(key=lambda one: (order.get(one.entry.type, 1), one.entry.sort_key))
        return [one.entry for one in rows], [one.place for one in rows]


def _normal(path: str) -> str:
    return posixpath.normpath(posixpath.join("/", path)).lstrip("/")

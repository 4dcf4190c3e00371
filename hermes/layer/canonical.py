"""Entries in any order, from wherever they come -> the order and the form that a canonical layer has."""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Iterator
from typing import Final

from hermes.errors import LayerError
from hermes.layer.content import RegionContent, Spool
from hermes.layer.entry import DIRECTORY, HARDLINK, Entry, parents
from hermes.layer.write import Item

_MOST_AS_OBJECTS: Final = 8192


def canonical(items: Iterable[Item], *, name: str) -> Iterator[Item]:
    """Return ``items`` sorted, each path once (the last counts), hard links pointing at their first name.

    A directory that is only passed through replaces nothing. All of ``items`` has been read when this returns.

    Raises `LayerError`, naming the layer ``name``, for a hard link to what is not there, and for something
    below something other than a directory.
    """
    found = _Items()
    links = _Links()
    for entry, content in items:
        path = entry.path
        if entry.passed and path in found:
            continue
        target = ""
        if entry.type == HARDLINK:
            target = links.file_of(entry.link)
            if target not in found:
                raise LayerError(f"{name}: the hard link {path} points at {entry.link}, which is not there")
            if path in (target, entry.link):
                continue
        links.forget(path)
        if path in found and (heir := links.promote(path)) is not None:
            file, its_content = found[path]
            found[heir] = file._replace(path=heir), its_content
        if entry.type == HARDLINK:
            links.add(path, target)
        found[path] = entry, content
    _link_to_first_names(found, links)
    ordered = found.ordered()
    _check_parents(found, ordered, name)
    return (found.pop(path) for path in ordered)


class _Items:
    """Items by their paths. Those of a layer of many are packed, which takes a third of the memory."""

    def __init__(self) -> None:
        self._found: dict[str, Item | bytes] = {}
        self._spools: list[Spool] = []
        self._has_surrogates = False

    def __contains__(self, path: str) -> bool:
        return path in self._found

    def __setitem__(self, path: str, item: Item) -> None:
        if not path.isascii():
            self._has_surrogates |= any("\ud800" <= one <= "\udfff" for one in path)
        self._found[path] = item if len(self._found) < _MOST_AS_OBJECTS else self._packed(item)

    def __getitem__(self, path: str) -> Item:
        item = self._found[path]
        return self._unpacked(path, item) if isinstance(item, bytes) else item

    def pop(self, path: str) -> Item:
        item = self._found.pop(path)
        return self._unpacked(path, item) if isinstance(item, bytes) else item

    def ordered(self) -> list[str]:
        """Return the paths in canonical order: that of their bytes, which is that of code points but for surrogates."""
        return sorted(self._found, key=_bytes if self._has_surrogates else None)

    def _packed(self, item: Item) -> Item | bytes:
        entry, content = item
        if content is None:
            return marshal.dumps((*entry[1:], None))
        if not isinstance(content, RegionContent):
            return item
        if content.spool not in self._spools:
            self._spools.append(content.spool)
        place = self._spools.index(content.spool), content.offset, content.size
        return marshal.dumps((*entry[1:], place))

    def _unpacked(self, path: str, data: bytes) -> Item:
        *fields, place = marshal.loads(data)  # noqa: S302 - this object packed it
        if place is None:
            return Entry(path, *fields), None
        spool, offset, size = place
        return Entry(path, *fields), RegionContent(self._spools[spool], offset, size)


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


class _Names:
    """The names of one file: that of its item, and those of the links to it."""

    __slots__ = ("file", "links")

    def __init__(self, file: str) -> None:
        self.file = file
        self.links: dict[str, None] = {}


class _Links:
    """The hard links among items, each to a path that is not a link itself."""

    def __init__(self) -> None:
        self._names: dict[str, _Names] = {}
        """By each name of a file."""

    def file_of(self, path: str) -> str:
        found = self._names.get(path)
        return path if found is None else found.file

    def add(self, path: str, target: str) -> None:
        found = self._names.setdefault(target, _Names(target))
        found.links[path] = None
        self._names[path] = found

    def forget(self, path: str) -> None:
        found = self._names.get(path)
        if found is not None and found.file != path:
            del found.links[path], self._names[path]

    def promote(self, path: str) -> str | None:
        """Let one of a file's other names, if it has any, be the file; return that name."""
        found = self._names.pop(path, None)
        if found is None or not found.links:
            return None
        found.file, _ = found.links.popitem()
        return found.file

    def groups(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the files that have several names, with all of those."""
        for path, found in self._names.items():
            if path == found.file and found.links:
                yield path, [path, *found.links]


def _link_to_first_names(found: _Items, links: _Links) -> None:
    for target, names in links.groups():
        entry, content = found[target]
        first, *rest = sorted(names, key=_bytes)
        found[first] = entry._replace(path=first), content
        for one in rest:
            link = entry._replace(
                path=one, type=HARDLINK, size=0, digest="", link=first, xattrs=(), device=(0, 0)
            )
            found[one] = link, None


def _check_parents(found: _Items, ordered: Iterable[str], name: str) -> None:
    checked: set[str] = set()
    for path in ordered:
        for above in parents(path):
            if above in checked:
                break
            checked.add(above)
            if above in found and found[above][0].type != DIRECTORY:
                raise LayerError(f"{name}: {path} is below {above}, which is not a directory")

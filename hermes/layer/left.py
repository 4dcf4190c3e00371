"""An archive's entries, one after the other -> those that are left once it is unpacked.

Archives may hold a path more than once. The entries are collected as they come, in a file where they are many; what is
remembered of each is its path and kind. What a later entry undoes of earlier ones is noted, and done in a second pass
over them, which few archives need.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator

from hermes.layer.entry import HARDLINK, OPAQUE_NAME, Entry, join, whiteout
from hermes.layer.rows import Collected
from hermes.layer.shape import Shape
from hermes.store.scratch import Scratch


class Left:
    """The entries that are left of an archive, which errors call ``name``, in the order in which the last of each path came."""

    def __init__(self, name: str, scratch: Scratch) -> None:
        self._scratch = scratch
        self._rows = Collected(scratch)
        self._shape = Shape(name)
        self._gone: dict[str, int] = {}
        """Paths to a number of rows: those of the path among so many first ones do not count."""
        self._has_whiteouts = False
        self._files = _Files()

    def add(self, entry: Entry) -> None:
        """Take the next entry; raises `LayerError` for one that cannot be unpacked after those before it."""
        path, number = entry.path, len(self._rows)
        step = self._shape.add(entry)
        for one in step.removed:
            self._gone[one] = number
            if self._has_whiteouts:
                self._gone[join(one, OPAQUE_NAME)] = number
                if one != path:
                    self._gone[whiteout(one).path] = number
            self._files.remove(one)
        if number and (not step.is_new or entry.is_opaque):
            self._gone[path] = number
        self._has_whiteouts = self._has_whiteouts or entry.is_whiteout
        if entry.type == HARDLINK:
            entry = entry._replace(link=self._files.link(path, entry.link, number))
        self._rows.add(entry)

    def entries(self) -> Collection[Entry]:
        """Return the entries that are left; nothing can be added later."""
        rows = self._rows.entries()
        if not self._gone:
            return rows
        left = Collected(self._scratch)
        for number, entry in self._files.settled(rows):
            if self._gone.get(entry.path, 0) <= number:
                left.add(entry)
        return left.entries()


class _Names:
    """The names of one file: that of its row, and those of the links to it with the numbers of their rows, in their order."""

    __slots__ = ("file", "has_moved", "links")

    def __init__(self, file: str) -> None:
        self.file = file
        self.has_moved = False
        self.links: OrderedDict[str, int] = OrderedDict()


class _Files:
    """The hard links of an archive. When a file is removed, the first of its other names takes its place."""

    def __init__(self) -> None:
        self._links: dict[str, tuple[str, int]] = {}
        """Hard links to their files and the numbers of their rows, while nothing has been removed."""
        self._names: dict[str, _Names] | None = None
        """The same afterwards, by each name of a file. Few archives need it."""
        self._heirs: dict[int, str] = {}
        """Numbers of rows to the path of the file that they are instead of a link to it."""

    def link(self, path: str, target: str, number: int) -> str:
        """Note the hard link of a row; return the path of its file, where ``target`` may be another link to that."""
        if self._names is not None:
            return _enter(self._names, path, target, number)
        file = self._links[target][0] if target in self._links else target
        self._links[path] = file, number
        return file

    def remove(self, path: str) -> None:
        """Forget a path; a file with other names stays under those."""
        if self._names is None:
            if not self._links:
                return
            self._names = {}
            for one, (file, number) in self._links.items():
                _enter(self._names, one, file, number)
            self._links.clear()
        names = self._names.pop(path, None)
        if names is None:
            return
        if path != names.file:
            del names.links[path]
        elif names.links:
            names.file, number = names.links.popitem(last=False)
            names.has_moved = True
            self._heirs[number] = path

    def settled(self, rows: Collection[Entry]) -> Iterator[tuple[int, Entry]]:
        """Yield the numbers of all rows and their entries, with the files and links that they are in the end."""
        removed = frozenset(self._heirs.values())
        moved = {one for one in (self._names or {}).values() if one.has_moved}
        relinked = {number: one.file for one in moved for number in one.links.values()}
        files: dict[str, Entry] = {}
        for number, row in enumerate(rows):
            entry = row
            if number in self._heirs:
                entry = files[self._heirs[number]]._replace(path=row.path)
            elif number in relinked:
                entry = row._replace(link=relinked[number])
            if entry.path in removed:
                files[entry.path] = entry
            yield number, entry


def _enter(names: dict[str, _Names], path: str, target: str, number: int) -> str:
    """Add a link to a file, of which ``target`` is one of the names; return the path of the file."""
    found = names.setdefault(target, _Names(target))
    found.links[path] = number
    names[path] = found
    return found.file

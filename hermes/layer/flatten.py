"""The layers of a stack -> one layer that leaves the same file system.

Works on tables of contents alone; where the bytes are is told by which layer an entry comes from. See
image-spec, layer.md, "Applying Changesets".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hermes.errors import LayerError
from hermes.layer.entry import DIRECTORY, HARDLINK, SYMLINK, Entry, join, parents
from hermes.layer.links import resolved
from hermes.layer.toc import TableOfContents


class Origin(NamedTuple):
    """An entry, the number of the layer that it comes from, and the path of its bytes there."""

    entry: Entry
    layer: int
    path: str


def flatten(tables: Sequence[TableOfContents]) -> list[Origin]:
    """Return what is left of a stack, the lowest first, in canonical order.

    An entry of a directory that a layer only passes through counts where no layer changes the directory.

    Raises `LayerError` for a hard link that leads to nothing.
    """
    merged = _Merged()
    for number, table in enumerate(tables):
        merged.apply(table, number)
    return sorted(_linked(merged.found, tables), key=lambda one: one.entry.sort_key)


class _Merged:
    """What is at each path, and what each folder holds, whether or not an entry describes the folder."""

    def __init__(self) -> None:
        self.found: dict[str, Origin] = {}
        self._inside: dict[str, set[str]] = {}
        self._folders: dict[str, str] = {}
        """Folders of one layer to where they really are."""

    def apply(self, table: TableOfContents, number: int) -> None:
        self._folders = {}
        is_lowest = not self.found
        for entry in table.entries:
            if entry.is_opaque:
                self._empty(self._placed(join(entry.hidden, "."), table, number)[:-2])
            elif entry.is_whiteout:
                self._remove(self._placed(entry.hidden, table, number))
        for entry in table.entries:
            if entry.passed and self._has_changed(entry.path):
                continue
            if not entry.is_whiteout:
                path = entry.path if is_lowest else self._placed(entry.path, table, number)
                if entry.type != DIRECTORY:
                    self._remove(path)
                moved = entry if path == entry.path else entry._replace(path=path)
                self._add(Origin(moved, number, entry.path))

    def _placed(self, path: str, table: TableOfContents, number: int) -> str:
        """Return where something of a layer really is, which may be below links of lower layers."""
        folder, _, name = path.rpartition("/")
        known = self._folders.get(folder)
        if known is None:
            known = folder
            while known and (moved := self._moved(known, table, number)) is not None:
                known = moved
            self._folders[folder] = known
        return path if known == folder else join(known, name)

    def _moved(self, folder: str, table: TableOfContents, number: int) -> str | None:
        """Return the path of a folder with one link of a lower layer followed, or None where there is none.

        A link that the layer itself describes as a folder is replaced by that.
        """
        for above in (folder, *parents(folder)):
            link = self.found.get(above)
            if link is None or link.entry.type != SYMLINK or link.layer == number:
                continue
            target = resolved(above, self._link_at)
            there = self.found.get(target)
            if there is not None and there.entry.type != DIRECTORY:
                continue
            if not any(one.path == above and one.type == DIRECTORY for one in table.entries):
                return join(target, folder[len(above) + 1 :]).rstrip("/")
        return None

    def _link_at(self, path: str) -> str | None:
        found = self.found.get(path)
        return found.entry.link if found is not None and found.entry.type == SYMLINK else None

    def _has_changed(self, folder: str) -> bool:
        """Tell whether a layer said what a directory is to be, and not only what it was when it passed through."""
        found = self.found.get(folder)
        return found is not None and found.entry.type == DIRECTORY and not found.entry.passed

    def _add(self, origin: Origin) -> None:
        path = origin.entry.path
        self.found[path] = origin
        while path:
            folder = path.rpartition("/")[0]
            above = self.found.get(folder)
            if above is not None and above.entry.type != DIRECTORY:
                del self.found[folder]
            names = self._inside.setdefault(folder, set())
            if path in names:
                break
            names.add(path)
            path = folder

    def _remove(self, path: str) -> None:
        self._empty(path)
        self.found.pop(path, None)
        self._inside.get(path.rpartition("/")[0], set()).discard(path)

    def _empty(self, folder: str) -> None:
        pending = list(self._inside.pop(folder, ()))
        while pending:
            path = pending.pop()
            self.found.pop(path, None)
            pending.extend(self._inside.pop(path, ()))


def _linked(found: dict[str, Origin], tables: Sequence[TableOfContents]) -> list[Origin]:
    """Give the names of a file that are left their file: the first has its bytes, the others link to it."""
    groups: dict[tuple[int, str], list[str]] = {}
    for path, (entry, layer, _) in found.items():
        if entry.type == HARDLINK:
            groups.setdefault((layer, entry.link), []).append(path)
    if not groups:
        return list(found.values())
    whole = {
        (layer, entry.path): entry
        for layer in {layer for layer, _ in groups}
        for entry in tables[layer].entries
        if entry.type != HARDLINK
    }
    for (layer, target), names in groups.items():
        own = found.get(target)
        if own is not None and own.layer == layer:
            names.append(target)
        names.sort(key=lambda one: one.encode("utf-8", "surrogateescape"))
        file = whole.get((layer, target))
        if file is None or file.type == DIRECTORY:
            raise LayerError(
                f"layer {tables[layer].diff_id.short}: {names[0]!r} is a hard link to {target!r}, "
                "which is not a file of the layer"
            )
        for path in names:
            entry = file._replace(path=path)
            if path != names[0]:
                entry = entry._replace(type=HARDLINK, size=0, digest="", link=names[0], xattrs=())
            found[path] = Origin(entry, layer, target)
    return list(found.values())

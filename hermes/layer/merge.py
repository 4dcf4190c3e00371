"""Neighbouring layers of a stack -> one layer that does the same to what is below them.

Works on tables of contents alone, as `hermes.layer.flatten` does; whiteouts stay where they hide something.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermes.layer.entry import DIRECTORY, Entry, implied, opaque, parents, whiteout
from hermes.layer.flatten import Origin, flatten
from hermes.layer.toc import TableOfContents
from hermes.layer.view import View


def merge(tables: Sequence[TableOfContents], below: View, mtime: int) -> list[Origin]:
    """Return what the layers, the lowest first, do together, in canonical order.

    ``below`` is what they are put on, ``mtime`` the time of whiteouts and of folders that no layer describes, in
    seconds. Folders of ``below`` that are not changed are passed through; see `hermes.layer.entry.Entry`.
    """
    left = flatten(tables)
    hidden = _Hidden(tables)
    found = [Origin(entry, 0, entry.path) for entry in hidden.entries(left, below, mtime)]
    whole = [*left, *found]

    def is_below(folder: str) -> bool:
        return below.is_folder(folder) and not hidden.hides(folder)

    for path in implied(one.entry.path for one in whole):
        entry = below.entry(path) if is_below(path) else Entry(path, DIRECTORY, 0o755)
        whole.append(Origin(entry._replace(mtime=mtime, passed=True), 0, path))
    settled = (
        one
        if not one.entry.passed or is_below(path := one.entry.path)
        else Origin(one.entry._replace(passed=False), one.layer, path)
        for one in whole
    )
    return sorted(settled, key=lambda one: one.entry.sort_key)


class _Hidden:
    """What layers hide of those below: whatever is at a path and in it, or only what is in it."""

    def __init__(self, tables: Sequence[TableOfContents]) -> None:
        self._whole: set[str] = set()
        self._inside: set[str] = set()
        self._passed: set[str] = set()
        for table in tables:
            for entry in table.entries:
                if entry.is_opaque:
                    self._inside.add(entry.hidden)
                elif entry.is_whiteout:
                    self._whole.add(entry.hidden)
                elif entry.type != DIRECTORY:
                    self._whole.add(entry.path)
                if not entry.is_whiteout:
                    self._passed.update(parents(entry.path))

    def entries(self, left: Sequence[Origin], below: View, mtime: int) -> Iterator[Entry]:
        """Yield the whiteouts that are still needed, given the entries that are ``left``."""
        others = {one.entry.path for one in left if one.entry.type != DIRECTORY}
        folders = {one.entry.path for one in left} - others
        folders.update(above for one in left for above in parents(one.entry.path))
        # What was a file below and is gone, for it was a folder in between that no entry describes.
        gone = {one for one in self._passed if below.exists(one) and not below.is_folder(one)} - folders
        self._whole |= gone
        for path in self._whole | self._inside:
            if path in others or self._is_in_hidden(path):
                continue
            if path in folders or path not in self._whole:
                if below.names(path):
                    yield opaque(path, mtime)
            elif below.exists(path):
                yield whiteout(path, mtime)

    def hides(self, path: str) -> bool:
        """Tell whether nothing of the layers below shows at a path."""
        return path in self._whole or self._is_in_hidden(path)

    def _is_in_hidden(self, path: str) -> bool:
        above = (*parents(path), "") if path else ()
        return any(one in self._whole or one in self._inside for one in above)

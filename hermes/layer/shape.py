"""What is at each path while an archive is unpacked, entry by entry: which entries fit, and what each replaces.

Extraction and import both ask here, so that they agree, and a layer that cannot be unpacked is
refused before it is used. Pure: it touches no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from hermes.errors import LayerError
from hermes.layer.entry import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    HARDLINK,
    OPAQUE_NAME,
    WHITEOUT_PREFIX,
    Entry,
    parents,
)

_NOTHING: Final = "nothing"
"""Stands for a whiteout, and for a device, which nobody can make where layers are extracted."""
_NO_WHITEOUT: Final = (".wh.", ".wh..", ".wh...")


class Step(NamedTuple):
    """What an entry does: it needs ``folders`` made, the outermost first, and what is at the ``removed`` paths gone.

    The first of ``removed`` is that of the entry itself, and the others are below it. ``is_new``: something is to be made.
    """

    folders: Sequence[str] = ()
    removed: Sequence[str] = ()
    is_new: bool = True


class Shape:
    """The paths of one archive, which errors call ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._kinds: dict[str, str] = {}
        self._inside: dict[str, set[str]] | None = None

    def add(self, entry: Entry) -> Step:
        """Take the next entry; raises `LayerError` for one that cannot be unpacked after those before it."""
        path, kind = entry.path, entry.type
        folders = self._missing_folders(path)
        if path.rpartition("/")[2].startswith(WHITEOUT_PREFIX):
            return Step(folders, is_new=self._hide(entry))
        known = self._kinds.get(path)
        is_known_folder = known == kind == DIRECTORY
        removed = self._remove(path) if known is not None and not is_known_folder else ()
        if kind == HARDLINK:
            self._check_link(entry)
        self._set(path, _NOTHING if kind in (CHARACTER, BLOCK) else kind)
        return Step(folders, removed, not is_known_folder and bool(path))

    def _missing_folders(self, path: str) -> list[str]:
        folder = path.rpartition("/")[0]
        if not folder or self._kinds.get(folder) == DIRECTORY:
            return []
        missing = []
        for above in parents(path):
            kind = self._kinds.get(above)
            if kind == DIRECTORY:
                break
            if kind is not None:
                raise LayerError(f"{self._name}: {path!r} lies below {above!r}, which is not a directory")
            missing.append(above)
        missing.reverse()
        for above in missing:
            self._set(above, DIRECTORY)
        return missing

    def _check_link(self, entry: Entry) -> None:
        if self._kinds.get(entry.link) in (None, DIRECTORY, _NOTHING) or entry.link == entry.path:
            raise LayerError(
                f"{self._name}: {entry.path!r} is a hard link to {entry.link!r}, which is not a file of the layer"
            )

    def _hide(self, entry: Entry) -> bool:
        """Take a whiteout; tell whether something is to be made for it."""
        hidden = entry.hidden
        if entry.name == OPAQUE_NAME:
            return True
        if not hidden or entry.name in _NO_WHITEOUT:
            raise LayerError(f"{self._name}: {entry.path!r} is not a valid whiteout")
        if hidden in self._kinds:
            return False
        self._set(hidden, _NOTHING)
        return True

    def _set(self, path: str, kind: str) -> None:
        if self._inside is not None and path not in self._kinds:
            self._inside.setdefault(path.rpartition("/")[0], set()).add(path)
        self._kinds[path] = kind

    def _remove(self, path: str) -> list[str]:
        """Forget a path and what is below it; return them."""
        removed = [path]
        if self._kinds[path] == DIRECTORY:
            if self._inside is None:  # few archives need it
                self._inside = {}
                for one in self._kinds:
                    self._inside.setdefault(one.rpartition("/")[0], set()).add(one)
            for one in removed:
                removed += sorted(self._inside.pop(one, ()))
        for one in removed:
            del self._kinds[one]
        if self._inside is not None:
            self._inside[path.rpartition("/")[0]].discard(path)
        return removed

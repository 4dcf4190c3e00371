"""Layers that have nothing to do with each other: what they share are directories, and they say the same of those.

Then none of them hides or moves anything of another. No two conflict, what is at a path is what its one layer has there, and of
directories only those count that the layers have themselves. It works on outlines (`hermes.layer.outline`), and answers as
`hermes.layer.view.View` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hermes.layer.entry import DIRECTORY, SYMLINK, Entry
from hermes.layer.flatten import Origin
from hermes.layer.folders import Folders
from hermes.layer.links import resolved
from hermes.layer.outline import Outline


class Apart:
    """What is at each path of layers that have nothing to do with each other. Paths are like those of `Entry`."""

    def __init__(self, outlines: Sequence[Outline], found: Sequence[Mapping[str, Entry | None]]) -> None:
        self._outlines = outlines
        self._found = found
        self._names: dict[str, list[str]] = {}

    @classmethod
    def of(cls, outlines: Sequence[Outline | None]) -> Apart | None:
        """Return what is in a stack, the lowest first, or None where layers may have to do with each other."""
        known = [one for one in outlines if one is not None]
        if len(known) < len(outlines):
            return None
        largest = max((one.found for one in known), key=len, default={})
        merged: dict[str, Entry | None] = {}
        for one in (*(found for each in known if (found := each.found) is not largest), largest):
            shared = merged.keys() & one.keys()
            if not all(_agree(merged[path], one[path]) for path in shared):
                return None
            if one is not largest:  # which is not copied
                said = {path: kind for path in shared if (kind := merged[path])}
                merged.update(one)
                merged.update(said)
        return cls(known, (merged, largest))

    @property
    def folder_digests(self) -> list[str]:
        """What tells each layer's `folders` from others."""
        return [one.folders for one in self._outlines]

    def folders(self) -> list[Folders]:
        """Return what each layer does to directories; what it covers of others is nothing."""
        return [_folders_of(one) for one in self._outlines]

    def origin(self, path: str) -> Origin | None:
        """Return an entry as outlines have it, and its layer; None where nothing is, or only an implied directory."""
        entry = self._at(path)
        if entry is None:
            return None
        number = max(number for number, one in enumerate(self._outlines) if one.found.get(path) is not None)
        return Origin(entry._replace(path=path), number, path)

    def exists(self, path: str) -> bool:
        return not path or any(path in one for one in self._found)

    def names(self, folder: str) -> list[str]:
        """Return the names in a directory, sorted."""
        if folder not in self._names:
            start = f"{folder}/" if folder else ""
            below = {path[len(start) :] for one in self._found for path in one if path.startswith(start)}
            self._names[folder] = sorted({path.partition("/")[0] for path in below} - {""})
        return self._names[folder]

    def resolve(self, path: str, *, follow_last: bool = True) -> str:
        """Return the path without links of what ``path`` names, there or not; raises `BuildError` for a loop."""
        return resolved(path, self._link_at, follow_last=follow_last)

    def _at(self, path: str) -> Entry | None:
        return next((kind for one in self._found if (kind := one.get(path))), None)

    def _link_at(self, path: str) -> str | None:
        found = self._at(path)
        return found.link if found is not None and found.type == SYMLINK else None


def _agree(one: Entry | None, other: Entry | None) -> bool:
    """Tell whether two layers describe a directory alike; one that only implies it agrees with any."""
    if one is None or other is None:
        said = one or other
        return said is None or said.type == DIRECTORY
    return one.type == DIRECTORY and one.same_thing(other)


def _folders_of(one: Outline) -> Folders:
    implied = {path for path, kind in one.found.items() if kind is None}
    described = {
        path: kind._replace(path=path)
        for path, kind in one.found.items()
        if kind is not None and kind.type == DIRECTORY
    }
    return Folders(implied, described, frozenset(), frozenset())

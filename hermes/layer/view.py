"""A stack of layers as one file system, looked at through tables of contents alone: no bytes, no mounts.

Links are followed as a process in that root would follow them, and never out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from hermes.layer.entry import DIRECTORY, HARDLINK, SYMLINK, Entry, join
from hermes.layer.flatten import Origin, flatten
from hermes.layer.links import resolved
from hermes.layer.toc import TableOfContents


class Paths(Protocol):
    """What programs are looked for in: a `View`, or what answers in its place."""

    def origin(self, path: str) -> Origin | None: ...

    def exists(self, path: str) -> bool: ...

    def names(self, folder: str) -> list[str]: ...

    def resolve(self, path: str, *, follow_last: bool = True) -> str: ...


class View:
    """What is at each path of a stack, the lowest layer first. Paths are like those of `Entry`."""

    def __init__(self, tables: Sequence[TableOfContents]) -> None:
        self._found: dict[str, Origin] = {one.entry.path: one for one in flatten(tables)}
        self._inside: dict[str, set[str]] = {"": set()}
        for path in self._found:
            self._enter(path)

    def origin(self, path: str) -> Origin | None:
        """Return the entry at a path and its layer; None where nothing is, or only an implied folder."""
        found = self._found.get(path)
        if found is not None and found.entry.type == HARDLINK:
            whole = self._found[found.entry.link]
            return whole._replace(entry=whole.entry._replace(path=path))
        return found

    def is_folder(self, path: str) -> bool:
        found = self._found.get(path)
        return path in self._inside if found is None else found.entry.type == DIRECTORY

    def exists(self, path: str) -> bool:
        return path in self._found or path in self._inside

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted."""
        return sorted(self._inside.get(folder, ()))

    def below(self, folder: str) -> Iterator[tuple[str, Entry]]:
        """Yield what is in a folder, at any depth, with its path in the folder; a folder before what it holds."""
        pending = [(name, join(folder, name)) for name in reversed(self.names(folder))]
        while pending:
            name, path = pending.pop()
            yield name, self.entry(path)
            if self.is_folder(path):
                pending += [(f"{name}/{one}", f"{path}/{one}") for one in reversed(self.names(path))]

    def entry(self, path: str) -> Entry:
        """Return the entry at a path; a folder that none describes has mode 0755 and belongs to root."""
        found = self._found.get(path)
        return Entry(path, DIRECTORY, 0o755) if found is None else found.entry

    def resolve(self, path: str, *, follow_last: bool = True) -> str:
        """Return the path without links of what ``path`` names, there or not; raises `BuildError` for a loop."""
        return resolved(path, self._link_at, follow_last=follow_last)

    def _link_at(self, path: str) -> str | None:
        found = self._found.get(path)
        return found.entry.link if found is not None and found.entry.type == SYMLINK else None

    def _enter(self, path: str) -> None:
        while path:
            folder, _, name = path.rpartition("/")
            names = self._inside.setdefault(folder, set())
            if name in names:
                return
            names.add(name)
            path = folder

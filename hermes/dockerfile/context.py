"""Build contexts: the files that COPY and ADD may take, and which of them a source names.

Nothing leads out of a context: links in it are followed as if it were a root of its own.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hermes.dockerfile.files import SOCKET, Files, Status
from hermes.engine.action import Artifact
from hermes.errors import DockerfileError, HermesError, UsageError
from hermes.layer.entry import CHARACTER, FILE, HARDLINK, SYMLINK, join
from hermes.layer.links import resolved
from hermes.wildcards import Ignored, expanded, is_pattern


class Row(NamedTuple):
    """Something to be copied: ``name`` below the destination. ``source`` is set for files and symbolic links.

    ``device`` is as in `hermes.layer.entry.Entry`.
    """

    name: str
    type: str
    mode: int
    link: str = ""
    source: Artifact | None = None
    device: tuple[int, int] = (0, 0)


class Match(NamedTuple):
    """What a source names: the path that it leads to, the path as it was named, and the part of that which is kept."""

    path: str
    inside: str
    kept: str


@dataclass(slots=True)
class Context:
    """The files that one of the contexts of a build gives, but for those that are left out."""

    files: Files
    ignored: Ignored = field(default_factory=lambda: Ignored((), of=""))
    ignore_file: str = ""

    def matching(self, source: str, *, parents: bool = False) -> list[Match]:
        """Return what a source means, nothing for a pattern that matches nothing; raises `DockerfileError`.

        With ``parents``, the flag, ``**/`` in a pattern is any number of folders.
        """
        inside = posixpath.normpath(source.lstrip("/") or ".")
        if inside == ".." or inside.startswith("../"):
            raise DockerfileError(
                f"{source} leads out of the context",
                hint="copy the file into the context, or build from a folder above",
            )
        before, pivot, _ = source.lstrip("/").partition("/./")
        start = len(posixpath.normpath(before)) + 1 if pivot and posixpath.normpath(before) != "." else 0
        inside = "" if inside == "." else inside
        path = self._resolved(inside)
        if self.files.status(path) is not None:
            out = self._left_out(inside)
            if out is None:
                return [Match(path, inside, inside[start:])]
            leads = "" if out == inside else f" leads to {out}, which"
            raise DockerfileError(
                f"{source}{leads} is left out of the context by {self.ignore_file}",
                hint=f"take it in again with !{out}",
            )
        if is_pattern(source):
            found = [Match(self._resolved(one), one, one[start:]) for one in self._expanded(inside, parents)]
            return [
                one for one in found if self.files.status(one.path) and self._left_out(one.inside) is None
            ]
        if target := self.files.link(inside):
            raise DockerfileError(
                f"{source} is a link to {target}, which is not in the context",
                hint="copy what it leads to into the context",
            )
        raise DockerfileError(f"{source} is not in the context", hint=self._near(inside))

    def mode(self, path: str) -> int:
        """Return the mode of a match's path."""
        found = self.files.status(path)
        return found.mode if found else 0

    def is_folder(self, path: str) -> bool:
        found = self.files.status(path)
        return found is not None and found.is_directory

    def _resolved(self, inside: str) -> str:
        try:
            return resolved(inside, self.files.link)
        except HermesError as error:
            raise DockerfileError(error.message) from None

    def _left_out(self, inside: str) -> str | None:
        """Return what the ignore file leaves out of a path: a link on the way, or what that leads to."""
        links: list[str] = []

        def link(path: str) -> str | None:
            target = self.files.link(path)
            if target is not None:
                links.append(path)
            return target

        path = resolved(inside, link)
        if path and self.ignored.leaves_out(path) and not (self.is_folder(path) and self._holds(path)):
            return path
        return next((one for one in links if self.ignored.leaves_out(one)), None)

    def _holds(self, folder: str) -> bool:
        """Tell whether anything below a folder that is left out is taken in again."""
        pending = [folder]
        while pending:
            folder = pending.pop()
            if self.ignored.leaves_out_all(folder):
                continue
            for name, is_folder in self.files.names(folder):
                path = join(folder, name)
                if not self.ignored.leaves_out(path):
                    return True
                if is_folder:
                    pending.append(path)
        return False

    def _expanded(self, pattern: str, parents: bool) -> list[str]:
        try:
            return expanded(pattern, self._names, self._folders if parents else None)
        except UsageError as error:
            raise DockerfileError(error.message, hint=error.hint) from None

    def _names(self, folder: str) -> list[str]:
        return [name for name, _ in self.files.names(self._resolved(folder))]

    def _folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder of which not everything is left out."""
        path = self._resolved(folder)
        return [
            name
            for name, is_folder in self.files.names(path)
            if is_folder and not self.ignored.leaves_out_all(join(path, name))
        ]

    def _near(self, inside: str) -> str:
        names = self._names(posixpath.dirname(inside))
        near = difflib.get_close_matches(posixpath.basename(inside), names, 1)
        return (
            f"did you mean {join(posixpath.dirname(inside), near[0])}?"
            if near
            else f"the context is {self.files.shown}"
        )


class _Taken(NamedTuple):
    """Something of a context that is copied, and the number of the source that it belongs to."""

    path: str
    status: Status
    source: int


class Collection:
    """The rows of one COPY. ``excluded`` are the patterns of ``--exclude``, ``parents`` is the flag."""

    def __init__(self, context: Context, excluded: Ignored, *, parents: bool) -> None:
        self._context = context
        self._excluded = excluded
        self._parents = parents
        self._taken: dict[str, _Taken] = {}
        self._sources = 0
        self.folders = 0

    @property
    def rows(self) -> dict[str, Row]:
        """What was collected, by its names. Names are hard links of each other where one source folder has them so."""
        found: dict[str, Row] = {}
        first_names: dict[tuple[int, tuple[int, int]], str] = {}
        for name, (path, status, source) in self._taken.items():
            if status.type not in (FILE, SYMLINK):
                found[name] = Row(name, status.type, status.mode, device=status.device)
                continue
            first = first_names.setdefault((source, status.inode), name) if status.inode else name
            if first == name:
                found[name] = Row(name, status.type, status.mode, source=self._context.files.artifact(path))
            else:
                found[name] = Row(name, HARDLINK, status.mode, link=first)
        return found

    def add(self, match: Match) -> None:
        """Take in a file, or what is in a folder."""
        base = ""
        self._sources += 1
        if self._parents:
            base = match.kept
            self._take_parents(match)
        if self._context.is_folder(match.path):
            self.folders += 1
            for name, item in self._walk(match.path):
                self._take(join(base, name), item, item)
        else:
            status = self._context.files.status(match.path)
            if status is not None and status.type == SOCKET:
                raise DockerfileError(f"{match.inside} is a socket, which cannot be copied")
            name = posixpath.basename(match.inside)
            if not self._excluded.leaves_out(name):
                self._take(base or name, match.path, match.inside)

    def _take_parents(self, match: Match) -> None:
        parts = match.kept.split("/") if match.kept else []
        start = match.inside[: len(match.inside) - len(match.kept)]
        for count in range(1, len(parts) + 1):
            name = "/".join(parts[:count])
            path = resolved(start + name, self._context.files.link)
            if self._context.is_folder(path):
                self._take(name, path, start + name)

    def _walk(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield what is below a folder and not left out: name below it, and path.

        A folder that is left out itself waits for something in it that is not.
        """
        ignored, excluded = self._context.ignored, self._excluded
        waiting: list[tuple[str, str]] = []
        levels = [("", folder, iter(self._context.files.names(folder)))]
        while levels:
            above, at, items = levels[-1]
            item, is_folder = next(items, ("", False))
            if not item:
                levels.pop()
                if waiting and waiting[-1] == (above, at):
                    waiting.pop()
                continue
            called, path = join(above, item), join(at, item)
            if is_folder:
                if ignored.leaves_out_all(path) or excluded.leaves_out_all(called):
                    continue
                levels.append((called, path, iter(self._context.files.names(path))))
            out = ignored.leaves_out(path) or excluded.leaves_out(called)
            if is_folder or not out:
                waiting.append((called, path))
            if not out:
                yield from waiting
                waiting.clear()

    def _take(self, name: str, path: str, inside: str) -> None:
        status = self._context.files.status(path)
        if status is None:
            raise DockerfileError(f"{inside} is gone from the context")
        if status.type == CHARACTER and status.device == (0, 0):
            raise DockerfileError(
                f"{inside} is the device 0,0, which in a layer removes a file",
                hint="leave it out with an ignore file",
            )
        if status.type != SOCKET:
            self._taken[name] = _Taken(path, status, self._sources)

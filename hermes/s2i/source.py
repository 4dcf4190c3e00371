"""The files of an application's source: which of them are left out, and the variables that they set."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from hermes.dockerfile.files import Files, Status
from hermes.engine.action import Artifact
from hermes.errors import UsageError
from hermes.layer.entry import FILE, join
from hermes.layer.links import resolved
from hermes.wildcards import expanded, expression

IGNORE_FILE: Final = ".s2iignore"
ENVIRONMENT: Final = ".s2i/environment"

Read = Callable[[str], bytes]
"""Returns what is in a file of the source."""


class SourceFiles:
    """See `hermes.dockerfile.files.Files`: the files of ``folder`` without some, and with others in their place.

    ``exclude`` is a regular expression, searched for in paths; an empty one leaves nothing out. ``without`` are paths.
    ``added`` are files that can be executed, by their paths. Raises `UsageError` for a malformed expression.
    """

    def __init__(
        self,
        files: Files,
        folder: str = "",
        *,
        exclude: str = "",
        without: Collection[str] = (),
        added: Mapping[str, Artifact] | None = None,
    ) -> None:
        self.shown = files.shown
        self._files = files
        self._folder = folder
        self._without = frozenset(without)
        self._added = dict(added or {})
        self._excluded = _compiled(exclude)

    def status(self, path: str) -> Status | None:
        if path in self._added:
            return Status(FILE, 0o755)
        return None if self._is_out(path) else self._files.status(self._at(path))

    def names(self, folder: str) -> list[tuple[str, bool]]:
        found = {
            name: is_folder
            for name, is_folder in self._files.names(self._at(folder))
            if not self._is_out(join(folder, name))
        }
        found.update(
            (posixpath.basename(one), False) for one in self._added if posixpath.dirname(one) == folder
        )
        return sorted(found.items())

    def link(self, path: str) -> str | None:
        return None if path in self._added or self._is_out(path) else self._files.link(self._at(path))

    def artifact(self, path: str) -> Artifact:
        return self._added[path] if path in self._added else self._files.artifact(self._at(path))

    def is_archive(self, path: str) -> bool:
        return path not in self._added and self._files.is_archive(self._at(path))

    def _at(self, path: str) -> str:
        return join(self._folder, path) if path else self._folder

    def _is_out(self, path: str) -> bool:
        while path:
            if path in self._without or (self._excluded is not None and self._excluded.search(path)):
                return True
            path = posixpath.dirname(path)
        return False


def file_at(files: Files, path: str) -> str | None:
    """Return where the regular file is that a path leads to, or None; no link leads out of the source."""
    found = resolved(path, files.link)
    status = files.status(found)
    return found if status is not None and status.type == FILE else None


def _compiled(expression_: str) -> re.Pattern[str] | None:
    if not expression_:
        return None
    try:
        return re.compile(expression_)
    except re.error as error:
        raise UsageError(f"--exclude: invalid regular expression {expression_!r}: {error}") from None


def ignored(files: Files, read: Read) -> set[str]:
    """Return the paths that the ``.s2iignore`` of a source takes away, with all below them.

    Each line is a pattern of paths that are there, one of ``!`` keeps what it matches of those before it. Raises
    `UsageError` for a malformed pattern.
    """
    place = file_at(files, IGNORE_FILE)
    if place is None:
        return set()
    found: set[str] = set()
    for number, line in enumerate(read(place).decode("utf-8", "surrogateescape").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        keeps, pattern = text.startswith("!"), text.removeprefix("!").strip()
        pattern = posixpath.normpath(pattern).lstrip("/")
        try:
            if keeps:
                wanted = re.compile(expression(pattern), re.DOTALL)
                found = {one for one in found if not wanted.fullmatch(one)}
            elif pattern not in ("", "."):
                found.update(expanded(pattern, lambda folder: [name for name, _ in files.names(folder)]))
        except (re.error, UsageError):
            raise UsageError(f"{IGNORE_FILE}:{number}: {text!r} is not a pattern") from None
    return found


def variables(text: str, *, of: str, warn: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Yield the variables of a file with lines of NAME=VALUE, which messages call ``of``; ``#`` and ``//`` begin comments.

    ``warn`` is told of lines that are none.
    """
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "//")):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip():
            warn(f"{of}:{number}: expected NAME=VALUE, got {stripped!r}; the line is left out")
            continue
        yield name.strip(), value.strip()


def environment(files: Files, read: Read, warn: Callable[[str], None]) -> list[tuple[str, str]]:
    """Return the variables that a source sets, in ``.s2i/environment``."""
    place = file_at(files, ENVIRONMENT)
    if place is None:
        return []
    text = read(place).decode("utf-8", "surrogateescape")
    return list(variables(text, of=ENVIRONMENT, warn=warn))

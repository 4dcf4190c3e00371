"""Archives of npm packages as entries of a layer, put where npm puts them; nothing is run.

See npm's libraries ``pacote`` (which files of an archive are taken, and with which modes) and ``bin-links`` (programs).
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from hermes.errors import LayerError
from hermes.layer.archives import archive_members
from hermes.layer.content import BytesContent, Spool
from hermes.layer.entry import DIRECTORY, FILE, SYMLINK, WHITEOUT_PREFIX, Entry
from hermes.layer.tar_reader import Member
from hermes.layer.write import Item

_LARGE: Final = 256 << 20
_MOST_RATIO: Final = 200
"""An archive that unpacks to `_LARGE` bytes and this many times its size is taken for a bomb."""
_FIRST: Final = 2048
"""How many bytes npm looks at for a line ``#!`` that ends as on Windows."""
_WINDOWS: Final = re.compile(rb"(#![^\n]+)\r\n")


class PackageFile(NamedTuple):
    """An archive: what errors call it, the file, where it is unpacked, and links to the programs in it.

    ``location`` and the paths of ``bins`` (link -> program) are like `Entry.path`.
    """

    name: str
    path: str
    location: str
    bins: tuple[tuple[str, str], ...]


def unpacked(packages: Iterable[PackageFile], *, mtime: int, spool: Spool) -> Iterator[Item]:
    """Yield what archives hold, as npm unpacks them; raises `LayerError` for one that is malformed or hostile."""
    for package in packages:
        yield from _Unpacked(package, mtime, spool).items()


class _Unpacked:
    """One archive."""

    def __init__(self, package: PackageFile, mtime: int, spool: Spool) -> None:
        self._package = package
        self._mtime = mtime
        self._spool = spool
        self._programs = {file for _, file in package.bins}
        self._found: dict[str, Item] = {}

    def items(self) -> Iterator[Item]:
        package = self._package
        with open(package.path, "rb") as archive:
            most = max(_LARGE, _MOST_RATIO * os.fstat(archive.fileno()).st_size)
            total = 0
            for member in archive_members(archive, name=package.name):
                total += member.entry.size
                if total > most:
                    raise LayerError(
                        f"{package.name}: it unpacks to more than {most} bytes, as no package does"
                    )
                self._add(member)
        found = self._found
        yield Entry(package.location, DIRECTORY, 0o755, mtime=self._mtime), None
        yield from found.values()
        for path, file in package.bins:
            if file in found or any(one.startswith(f"{file}/") for one in found):
                target = posixpath.relpath(file, posixpath.dirname(path))
                yield Entry(path, SYMLINK, 0o777, link=target, mtime=self._mtime), None

    def _add(self, member: Member) -> None:
        """Take a member without the first part of its path, whatever that is called; links are left out."""
        kind = member.entry.type
        below = member.entry.path.partition("/")[2]
        if kind not in (FILE, DIRECTORY) or not below:
            return
        if any(one.startswith(WHITEOUT_PREFIX) for one in below.split("/")):
            raise LayerError(f"{self._package.name}: {below}: such a name marks removed files in layers")
        if kind == FILE and posixpath.basename(below) == ".gitignore":
            below = below.removesuffix(".gitignore") + ".npmignore"
            if f"{self._package.location}/{below}" in self._found:
                return
        path = f"{self._package.location}/{below}"
        if kind == DIRECTORY:
            self._found.setdefault(path, (Entry(path, DIRECTORY, 0o755, mtime=self._mtime), None))
            return
        mode = 0o755 if path in self._programs else 0o644 | member.entry.mode & 0o755
        entry = Entry(path, FILE, mode, size=member.entry.size, mtime=self._mtime)
        if path in self._programs:
            self._found[path] = self._program(entry, member)
        else:
            self._found[path] = entry, self._spool.add(member.content, entry.size)

    def _program(self, entry: Entry, member: Member) -> Item:
        """Return a program, whose first line ends as Linux needs it."""
        first = b""
        pieces: list[bytes] = []
        for data in member.content:
            pieces.append(data)
            if len(first) < _FIRST:
                first += data[: _FIRST - len(first)]
        match = _WINDOWS.match(first)
        if match is None:
            return entry, self._spool.add(iter(pieces), entry.size)
        whole = b"".join(pieces).decode("utf-8", "replace").encode()
        fixed = _WINDOWS.sub(rb"\1\n", whole, count=1)
        return entry._replace(size=len(fixed)), BytesContent(fixed)

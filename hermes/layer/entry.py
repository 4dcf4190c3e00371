"""One entry of a layer: what a tar header says of a path.

See image-spec, layer.md: "File Types", "File Attributes", "Whiteouts".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from hermes.errors import LayerError

FILE: Final = "0"
HARDLINK: Final = "1"
SYMLINK: Final = "2"
CHARACTER: Final = "3"
BLOCK: Final = "4"
DIRECTORY: Final = "5"
FIFO: Final = "6"

WHITEOUT_PREFIX: Final = ".wh."
OPAQUE_NAME: Final = ".wh..wh..opq"
LARGEST_ID: Final = (1 << 32) - 2
"""The largest user or group id; the one above stands for "unchanged" in chown(2)."""

Xattrs = tuple[tuple[str, bytes], ...]

_LONGEST_NAME: Final = 255
_LONGEST_PATH: Final = 4095
_SHORT: Final = 64
"""A path of fewer characters is not too long, whatever they are."""

_COPIED_XATTRS: Final = ("user.", "security.capability")
_OVERLAY: Final = "user.overlay."


class Entry(NamedTuple):
    """A path in a layer.

    ``path`` is relative, without ``.``, ``..`` or a trailing slash, bytes that are not UTF-8 as surrogate
    escapes; the root itself is the empty path. ``type`` is the tar type flag. ``mode`` holds the twelve
    permission bits. ``digest`` is the sha256 of a file's content in hexadecimal, or empty while it is not
    known. ``link`` is a symbolic link's target as it is, or a hard link's path like ``path``. ``xattrs``
    are sorted by name. ``device`` is major and minor number. ``mtime`` is in whole seconds. ``passed`` marks a
    directory that the layer only passes through: the entry repeats what the directory is in the root that the layer
    was made on, for tools that unpack a layer by itself, and changes nothing.
    """

    path: str
    type: str
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    digest: str = ""
    link: str = ""
    xattrs: Xattrs = ()
    device: tuple[int, int] = (0, 0)
    mtime: int = 0
    passed: bool = False

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_whiteout(self) -> bool:
        """Whether this removes something of a lower layer: a path, or all of a directory's content."""
        return self.name.startswith(WHITEOUT_PREFIX)

    @property
    def is_opaque(self) -> bool:
        return self.name == OPAQUE_NAME

    @property
    def hidden(self) -> str:
        """The path that a whiteout removes; for an opaque marker its directory."""
        folder, _, name = self.path.rpartition("/")
        return folder if name == OPAQUE_NAME else join(folder, name[len(WHITEOUT_PREFIX) :])

    @property
    def sort_key(self) -> bytes:
        """Orders paths by their bytes, which puts a directory before what it holds."""
        return self.path.encode("utf-8", "surrogateescape")

    def same_thing(self, other: Entry) -> bool:
        """Tell whether two entries leave the same thing at their path."""
        return self._replace(mtime=0, passed=False) == other._replace(mtime=0, passed=False)


def whiteout(path: str, mtime: int = 0) -> Entry:
    """Return the entry that removes ``path`` from the layers below."""
    folder, _, name = path.rpartition("/")
    return Entry(join(folder, WHITEOUT_PREFIX + name), FILE, 0o644, mtime=mtime)


def opaque(folder: str, mtime: int = 0) -> Entry:
    """Return the entry that hides what the layers below have in ``folder``."""
    return Entry(join(folder, OPAQUE_NAME), FILE, 0o644, mtime=mtime)


def is_copied(xattr: str) -> bool:
    """Tell whether a copy of a file has this extended attribute of the original."""
    return xattr.startswith(_COPIED_XATTRS) and not xattr.startswith(_OVERLAY)


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def parents(path: str) -> Iterator[str]:
    """Yield the directories above ``path``, nearest first, without the root."""
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        yield path


def implied(paths: Iterable[str]) -> list[str]:
    """Return the directories above ``paths`` that are not among them, sorted, without the root."""
    known = set(paths)
    found: set[str] = set()
    for path in known:
        for above in parents(path):
            if above in known or above in found:
                break
            found.add(above)
    return sorted(found)


def normal_path(text: str, *, of: str) -> str:
    """Return an archive's path as `Entry.path`: without leading ``/`` and ``./`` or a trailing ``/``.

    Raises `LayerError`, naming the archive ``of``, when it leads out of the root, holds a NUL or is too long for Linux.
    """
    if text and text[0] != "/" and text[0] != "." and "//" not in text and "/." not in text:
        path = text[:-1] if text[-1] == "/" else text
    else:
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise LayerError(f"{of}: the path {text!r} points outside the root")
        path = "/".join(parts)
    if "\0" in path:
        raise LayerError(f"{of}: the path {text!r} holds a NUL byte")
    if len(path) >= _SHORT:
        _check_length(path, of)
    return path


def _check_length(path: str, of: str) -> None:
    data = path.encode("utf-8", "surrogateescape")
    longest = max(data.split(b"/"), key=len)
    if len(longest) > _LONGEST_NAME:
        raise LayerError(
            f"{of}: the name {longest[:40]!r}... has {len(longest)} bytes, more than {_LONGEST_NAME}"
        )
    if len(data) > _LONGEST_PATH:
        raise LayerError(f"{of}: the path {data[:40]!r}... has {len(data)} bytes, more than {_LONGEST_PATH}")

"""A stack of layers as one root, and what becomes of its changes.

This is plain data that crosses into the namespace as JSON lists, and is in named tuples: every command loads it, and
they are made many times faster than dataclasses.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from hermes.digest import Digest

if TYPE_CHECKING:
    from hermes.layer.compress import Encoding


class Upper(NamedTuple):
    """Where the changes of a mount go: two directories of one file system, made if they are not there."""

    upper: str
    work: str

    @property
    def unsearched(self) -> str:
        """The path of what marks a working container in which a command with secrets runs, or was killed."""
        return f"{os.path.dirname(self.upper)}.unsearched"

    @property
    def points(self) -> str:
        """The path of what names the mount points that a command has in a working container; see `MountPoints`."""
        return f"{os.path.dirname(self.upper)}.points"


class StackEntry(NamedTuple):
    """One layer of a root: its diff_id, and what errors call it."""

    diff_id: Digest
    name: str


class Commit(NamedTuple):
    """Make a layer of the changes: with times of ``mtime`` seconds, stored as a tar if ``codec`` names one."""

    mtime: int
    codec: str = ""


class Blob(NamedTuple):
    """A layer's blob: its size in bytes, and the spec of its codec, empty for none."""

    digest: Digest
    size: int
    codec: str

    @classmethod
    def of(cls, encoding: Encoding) -> Self:
        return cls(encoding.digest, encoding.size, encoding.codec.spec if encoding.codec else "")

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        digest, size, codec = document
        return cls(Digest(digest), size, codec)

    def to_json(self) -> list[Any]:
        return list(self)

    @property
    def encoding(self) -> Encoding:
        from hermes.layer.compress import Encoding, codec_of

        return Encoding(self.digest, self.size, codec_of(self.codec))

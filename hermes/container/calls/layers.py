"""Calls that make layers, their trees and their blobs, and remove trees. ``home`` is the folder of the store."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self

from hermes.container.stack import Blob, StackEntry
from hermes.digest import Digest
from hermes.sandbox.remote import Remote


class WrittenLayer(NamedTuple):
    """A layer that was written: its diff_id and the size of its tar in bytes."""

    diff_id: Digest
    size: int

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        diff_id, size = document
        return cls(Digest(diff_id), size)


class Extraction(NamedTuple):
    """Extract the layer ``diff_id``."""

    home: str
    diff_id: Digest

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, diff_id = document
        return cls(home, Digest(diff_id))


class Checking(NamedTuple):
    """Check the trees of layers: those that were changed, or with ``read`` all."""

    home: str
    diff_ids: tuple[Digest, ...]
    read: bool = False

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, diff_ids, read = document
        return cls(home, tuple(map(Digest, diff_ids)), read)


class Checked(NamedTuple):
    """The layers whose trees were not what the layers are, and have been removed."""

    removed: tuple[Digest, ...]

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        (removed,) = document
        return cls(tuple(map(Digest, removed)))


class Packing(NamedTuple):
    """Make a blob of the layer ``diff_id`` from its tree; ``codec`` is the spec of a codec, or empty."""

    home: str
    diff_id: Digest
    codec: str

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, diff_id, codec = document
        return cls(home, Digest(diff_id), codec)


class InTree(NamedTuple):
    """Where the bytes of a file are: in the tree of ``layer`` at ``path``. Both are empty for what has no bytes."""

    layer: Digest
    path: str


class Gathering(NamedTuple):
    """Write a layer, which errors call ``name``, of entries whose bytes are in trees.

    ``rows`` are entries in the form of `hermes.layer.rows.row_of_entry`, each with its item of ``sources``.
    """

    home: str
    rows: tuple[list[Any], ...]
    sources: tuple[InTree, ...]
    name: str
    codec: str

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, rows, sources, name, codec = document
        places = tuple(InTree(Digest(layer), path) for layer, path in sources)
        return cls(home, tuple(rows), places, name, codec)


class Squashing(NamedTuple):
    """Write the layers of ``stack`` as one.

    It does to the layers ``below`` what they did; whiteouts have the time ``mtime``, in seconds.
    """

    home: str
    stack: tuple[StackEntry, ...]
    codec: str
    below: tuple[Digest, ...] = ()
    mtime: int = 0

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, stack, codec, below, mtime = document
        return cls(home, stack_of_rows(stack), codec, tuple(map(Digest, below)), mtime)


class Removal(NamedTuple):
    """Remove folders whatever ids own what is in them."""

    paths: tuple[str, ...]

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        (paths,) = document
        return cls(tuple(paths))


def stack_of_rows(rows: list[list[str]]) -> tuple[StackEntry, ...]:
    """Return the layers of a stack that crossed as rows of diff_id and name."""
    return tuple(StackEntry(Digest(diff_id), name) for diff_id, name in rows)


_INSIDE: Final = "hermes.container.inside"

EXTRACT: Final = Remote(f"{_INSIDE}.extracting.extract", Extraction, type(None), "extract a layer")
CHECK: Final = Remote(f"{_INSIDE}.checking.check", Checking, Checked, "check the trees of layers")
PACK: Final = Remote(f"{_INSIDE}.extracting.pack", Packing, Blob, "pack a layer")
GATHER: Final = Remote(f"{_INSIDE}.gathering.gather", Gathering, WrittenLayer, "copy files of layers")
SQUASH: Final = Remote(f"{_INSIDE}.squash.squash", Squashing, WrittenLayer, "squash layers")
REMOVE: Final = Remote(f"{_INSIDE}.scratch.remove", Removal, type(None), "remove folders")

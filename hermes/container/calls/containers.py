"""Calls for working containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from hermes.container.calls.layers import stack_of_rows
from hermes.container.stack import StackEntry, Upper
from hermes.digest import Digest
from hermes.sandbox.remote import Remote

if TYPE_CHECKING:
    from hermes.container.copy import Copy


class WorkingRoot(NamedTuple):
    """The root of a working container: layers, the lowest first, and where its changes are.

    ``home`` is the folder of the store. ``mounted`` is where the root is mounted already, or empty.
    """

    home: str
    stack: tuple[StackEntry, ...]
    upper: Upper
    mounted: str = ""

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        home, stack, upper, mounted = document
        return cls(home, stack_of_rows(stack), Upper(*upper), mounted)


class Copying(NamedTuple):
    """Carry out a copy."""

    root: WorkingRoot
    copy: Copy

    def to_json(self) -> list[Any]:
        return [self.root, self.copy.to_json()]

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        from hermes.container.copy import Copy

        root, copy = document
        return cls(WorkingRoot.from_json(root), Copy.from_json(copy))


class Taking(NamedTuple):
    """Write an archive of what is at ``paths`` of a root: each in a folder of its number.

    ``archive`` is a file of this machine that is there.
    """

    root: WorkingRoot
    paths: tuple[str, ...]
    archive: str

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        root, paths, archive = document
        return cls(WorkingRoot.from_json(root), tuple(paths), archive)


class Change(NamedTuple):
    """One path that a container changed: ``kind`` is A (added), C (changed) or D (deleted)."""

    kind: str
    path: str


class Changes(NamedTuple):
    """What a container changed, in the order of paths."""

    found: tuple[Change, ...]

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        (found,) = document
        return cls(tuple(Change(*one) for one in found))


class Committing(NamedTuple):
    """Write what changed as a layer: with times of ``mtime`` seconds, and as a tar in the form of ``codec``."""

    root: WorkingRoot
    mtime: int
    codec: str

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        root, mtime, codec = document
        return cls(WorkingRoot.from_json(root), mtime, codec)


class Committed(NamedTuple):
    """The layer of what changed, if anything did."""

    diff_id: Digest | None

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        (diff_id,) = document
        return cls(Digest(diff_id) if diff_id else None)


_INSIDE: Final = "hermes.container.inside.working"

COPY: Final = Remote(f"{_INSIDE}.copy", Copying, type(None), "copy files into a container")
TAKE: Final = Remote(f"{_INSIDE}.take", Taking, type(None), "copy files out of a container")
TIDY: Final = Remote(f"{_INSIDE}.tidy", WorkingRoot, type(None), "remove mount points from a container")
DIFF: Final = Remote(f"{_INSIDE}.diff", WorkingRoot, Changes, "list the changes of a container")
COMMIT: Final = Remote(f"{_INSIDE}.commit", Committing, Committed, "commit a container")

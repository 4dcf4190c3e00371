"""Actions that copy: what is taken, where it belongs, and the layer, which depends on those two alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

from hermes.actions.specs.spec import I, Spec, role, roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Spec[I]):
    """What ``sources`` (patterns) name in the stack ``roots``, as a list, and where the bytes of it are.

    ``from_`` is what errors call the stack. ``exclude`` are patterns of what is left out, of a ``--exclude``.
    ``parents`` keeps the folders on the way, ``whole`` a folder itself and not only what is in it; ``optional``: a
    pattern may match nothing. Without ``keep_owners`` everything is root's.
    """

    kind: ClassVar[str] = "select"

    exclude: tuple[str, ...] = ()
    from_: str
    keep_owners: bool
    optional: bool
    parents: bool
    sources: tuple[str, ...]
    whole: bool = False
    roots: tuple[I, ...] = field(default=(), metadata=roles("root"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("listing", "places")


class Named(NamedTuple):
    """The path of something that is copied, below the destination, and its type, of `hermes.layer.entry`."""

    name: str
    type: str

    def to_json(self) -> list[str]:
        return list(self)

    @classmethod
    def from_json(cls, row: Sequence[str]) -> Self:
        return cls(*row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Spec[I]):
    """Where in the stack ``roots`` what is copied belongs: ``entries``, or what is in ``listing``.

    ``dest`` is a path without a slash at the front; ``folder``: it is a folder. ``single``: one file is copied, which
    may be given another name, or nothing. ``unpacks``: archives are unpacked there. ``owner`` is that of a
    ``--chown``, whose names the stack knows.
    """

    kind: ClassVar[str] = "place"

    dest: str
    entries: tuple[Named, ...] = ()
    folder: bool
    owner: str = ""
    single: bool = False
    unpacks: bool = False
    roots: tuple[I, ...] = field(default=(), metadata=roles("root"))
    listing: I | None = field(default=None, metadata=role("listing"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("place",)


class CopyEntry(NamedTuple):
    """Something that is copied: as `Named`, with its mode; ``link`` is the name that a hard link leads to."""

    name: str
    type: str
    mode: int
    link: str = ""

    def to_json(self) -> list[Any]:
        return list(self) if self.link else [self.name, self.type, self.mode]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> Self:
        return cls(*row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Spec[I]):
    """The layer of a copy: what is in ``listing``, or ``entries`` and ``archives``, at its ``place``.

    ``sources`` are the files and symbolic links of the entries, in their order. ``mode`` is a mode, or a change of it
    in letters, for all. Without ``keep_owners`` everything belongs to whom the place says. ``content`` says where the
    bytes of a listing are; it is in no key.
    """

    kind: ClassVar[str] = "copy"

    entries: tuple[CopyEntry, ...] = ()
    keep_owners: bool = False
    mode: int | str | None = None
    mtime: int
    listing: I | None = field(default=None, metadata=role("listing"))
    content: I | None = field(default=None, metadata=role("~places"))
    place: I = field(metadata=role("place"))
    sources: tuple[I, ...] = field(default=(), metadata=roles("src"))
    archives: tuple[I, ...] = field(default=(), metadata=roles("tar"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)

"""``resolve_destination``: where what is copied belongs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self

from hermes.actions.specs.spec import I, Spec, role, roles


class Named(NamedTuple):
    """The path of something that is copied, below the destination, and its type, of `hermes.layer.entry`."""

    name: str
    type: str

    def to_json(self) -> list[str]:
        return list(self)

    @classmethod
    def from_json(cls, row: Sequence[str]) -> Self:
        return cls(*row)


class ResolveDestination(Spec[I]):
    """Where in the stack ``roots`` what is copied belongs: ``entries``, or what is in ``listing``.

    ``dest`` is a path without a slash at the front; ``folder``: it is a folder. ``single``: one file is copied, which
    may be given another name, or nothing. ``several``: several things are, of which the first is a file, so that without
    a folder there one would take the place of another. ``unpacks``: archives are unpacked there. ``owner`` is that of a
    ``--chown``, whose names the stack knows.
    """

    kind: ClassVar[str] = "resolve_destination"

    dest: str
    entries: tuple[Named, ...] = ()
    folder: bool
    owner: str = ""
    several: bool = False
    single: bool = False
    unpacks: bool = False
    roots: tuple[I, ...] = roles("root", default=())
    listing: I | None = role("listing", default=None)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("destination",)

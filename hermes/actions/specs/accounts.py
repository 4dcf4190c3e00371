"""``accounts``: users and groups, with their home folders."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from hermes.actions.specs.spec import I, Spec, roles


class UserRow(NamedTuple):
    """A row of passwd(5). ``home`` is made where it is not there, unless ``makes_home`` is false."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    makes_home: bool = True


class GroupRow(NamedTuple):
    """A row of group(5)."""

    name: str
    gid: int
    members: tuple[str, ...] = ()


class Accounts(Spec[I]):
    """A layer for the stack ``roots``, the lowest first: its users and groups with more of them, and their home folders.

    Without ``roots`` there are root and nobody besides them. Entries have times of ``mtime`` seconds.
    """

    kind: ClassVar[str] = "accounts"

    users: tuple[UserRow, ...]
    groups: tuple[GroupRow, ...]
    mtime: int
    roots: tuple[I, ...] = roles("root", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)

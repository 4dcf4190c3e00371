"""``copy``: the layer of a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self

from hermes.actions.specs.spec import I, Spec, role, roles


class CopyEntry(NamedTuple):
    """Something that is copied: as `Named`, with its mode; ``link`` is the name that a hard link leads to.

    ``device`` is the major and minor number of a device node.
    """

    name: str
    type: str
    mode: int
    link: str = ""
    device: tuple[int, int] = (0, 0)

    def to_json(self) -> list[Any]:
        if self.device != (0, 0):
            return [self.name, self.type, self.mode, self.link, list(self.device)]
        return [*self[:4]] if self.link else [*self[:3]]

    @classmethod
    def from_json(cls, row: Sequence[Any]) -> Self:
        return cls(*row[:4], *((major, minor) for major, minor in row[4:]))


class Copy(Spec[I]):
    """The layer of a copy: what is in ``listing``, or ``entries`` and ``archives``, at its ``destination``.

    ``sources`` are the files and symbolic links of the entries, in their order. ``mode`` is a mode, or a change of it
    in letters, for all but what is in archives. Without ``keep_owners`` everything belongs to whom the destination says, and
    with ``chowns_archives`` also what is in archives. ``content`` says where the bytes of a listing are; it is in no key.
    """

    kind: ClassVar[str] = "copy"

    entries: tuple[CopyEntry, ...] = ()
    chowns_archives: bool = False
    keep_owners: bool = False
    mode: int | str | None = None
    mtime: int
    listing: I | None = role("listing", default=None)
    content: I | None = role("unkeyed:content", default=None)
    destination: I = role("destination")
    sources: tuple[I, ...] = roles("src", default=())
    archives: tuple[I, ...] = roles("tar", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)

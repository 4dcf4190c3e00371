"""``list_files``: what a copy takes from a stack of layers."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, roles


class ListFiles(Spec[I]):
    """What ``sources`` (patterns) name in the stack ``roots``, as a list, and where the bytes of it are.

    ``from_`` is what errors call the stack. ``exclude`` are patterns of what is left out, of a ``--exclude``.
    ``parents`` keeps the folders on the way, ``whole`` a folder itself and not only what is in it; ``optional``: a
    pattern may match nothing. ``notes_several``: the list says whether the first of several things is a file. Without ``keep_owners`` everything is root's.
    """

    kind: ClassVar[str] = "list_files"

    exclude: tuple[str, ...] = ()
    from_: str
    keep_owners: bool
    notes_several: bool = False
    optional: bool
    parents: bool
    sources: tuple[str, ...]
    whole: bool = False
    roots: tuple[I, ...] = roles("root", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("listing", "content")

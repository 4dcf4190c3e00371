"""``squash``: a stack of layers as one."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, roles


class Squash(Spec[I]):
    """The stack ``roots`` as one layer for the layers ``below`` it, with times of ``mtime`` seconds where it has none."""

    kind: ClassVar[str] = "squash"

    mtime: int = 0
    below: tuple[I, ...] = roles("below", default=())
    roots: tuple[I, ...] = roles("root", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)

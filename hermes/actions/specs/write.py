"""``write``: a file with given text."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec


class Write(Spec[I]):
    """A file with this text. ``content`` may have lone surrogates, which are the bytes that they stand for."""

    kind: ClassVar[str] = "write"

    content: str
    executable: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("file",)

"""``fetch_wheel``: the wheel of a version that fits a target, where a lock has the digests of all files alone."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec


class FetchWheel(Spec[I]):
    """Of the files of ``project`` with ``version`` that have one of the digests ``sha256``, the wheel that fits best.

    ``python``, ``platform`` and ``libc`` are those of `hermes.python.target.PythonTarget`.
    """

    kind: ClassVar[str] = "fetch_wheel"

    libc: str
    platform: str
    project: str
    python: str
    sha256: tuple[str, ...]
    version: str

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("file",)

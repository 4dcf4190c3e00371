"""``fetch``: a download."""

from __future__ import annotations

from typing import ClassVar

from hermes.actions.specs.spec import I, Spec, unkeyed


class Fetch(Spec[I]):
    """A download with the digest ``sha256`` (64 hexadecimal digits) and, if that is known, ``size`` in bytes.

    Where the sha256 is not known, it is empty, and ``integrity`` is an `hermes.integrity.Integrity` as text. ``urls`` are
    tried in order; one that begins with ``apt:`` is a path below each mirror of Debian packages.
    """

    kind: ClassVar[str] = "fetch"

    sha256: str = ""
    executable: bool = False
    integrity: str = ""
    size: int | None = None
    urls: tuple[str, ...] = unkeyed()

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("file",)

"""Actions that give files, or what is fetched from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from hermes.actions.specs.spec import LEFT_OUT, UNKEYED, I, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Spec[I]):
    """A file with this text. ``content`` may have lone surrogates, which are the bytes that they stand for."""

    kind: ClassVar[str] = "write"

    content: str
    executable: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("file",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch(Spec[I]):
    """A download with the digest ``sha256`` (64 hexadecimal digits) and, if that is known, ``size`` in bytes.

    ``urls`` are tried in order; one that begins with ``apt:`` is a path below each mirror of Debian packages.
    """

    kind: ClassVar[str] = "fetch"

    sha256: str
    executable: bool = False
    size: int | None = field(default=None, metadata=LEFT_OUT)
    urls: tuple[str, ...] = field(metadata=UNKEYED)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("file",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Git(Spec[I]):
    """The files below ``folder`` of a commit of a git repository, as a layer. ``ref`` is one that leads to it."""

    kind: ClassVar[str] = "git"

    commit: str
    folder: str
    ref: str = field(metadata=UNKEYED)
    url: str = field(metadata=UNKEYED)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("layer",)

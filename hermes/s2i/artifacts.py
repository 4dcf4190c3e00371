"""``--runtime-artifact``: what is taken from the builder's root into that of the runtime image."""

from __future__ import annotations

import posixpath
from typing import Final, NamedTuple

from hermes.errors import UsageError

_INVALID: Final = frozenset(";*?\"<>|%#$!+{}&[],'`")


class Mapped(NamedTuple):
    """The path ``source`` in the builder, which goes into the folder ``dest`` below the runtime image's working folder."""

    source: str
    dest: str


def mappings(text: str, *, of: str) -> list[Mapped]:
    """Return what ``SOURCE[:FOLDER];...`` means, which errors call ``of``; raises `UsageError`."""
    return [_mapped(one, of) for one in text.split(";")]


def _mapped(text: str, of: str) -> Mapped:
    source, colon, dest = text.rpartition(":")
    if not colon:
        source, dest = text, ""
    source, dest = source.strip("\"' "), dest.strip("\"' ")
    problem = ""
    if not source:
        problem = "names no file"
    elif _INVALID & {*source, *dest}:
        problem = "has a character that a path cannot have here; patterns are not supported"
    elif not source.startswith("/") or posixpath.normpath(source) == "/":
        problem = "must begin with the absolute path of a file or folder of the builder"
    elif dest.startswith("/") or posixpath.normpath(dest or ".").split("/")[0] == "..":
        problem = "must name a folder below the runtime image's working folder"
    if problem:
        raise UsageError(f"{of}: {text!r} {problem}", hint="write it as /path/in/builder[:folder]")
    return Mapped(posixpath.normpath(source), posixpath.normpath(dest or "."))

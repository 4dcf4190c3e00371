"""Two layers of one image that write one path differently, without one having been built on the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hermes.layer.entry import DIRECTORY, SYMLINK, Entry, parents
from hermes.layer.toc import TableOfContents


class Conflict(NamedTuple):
    """``path`` is written by the layers numbered ``lower`` and ``upper``.

    ``link`` is set when it is a symbolic link to that in the lower one, and the upper one has something below.
    """

    path: str
    lower: int
    upper: int
    link: str = ""


def conflicts(
    tables: Sequence[TableOfContents], built_on: Mapping[int, frozenset[int]]
) -> Iterator[Conflict]:
    """Yield the conflicts of a stack of layers, the lowest first, in the order of layers and paths.

    ``built_on`` maps a layer's number to those of the layers that it was made in view of; what it writes
    over those is meant. A directory that a layer only passes through is not written by it.
    """
    written: dict[str, list[tuple[int, Entry]]] = {}
    inside: dict[str, list[int]] = {}
    for number, table in enumerate(tables):
        meant = built_on.get(number, frozenset())
        entries = [entry for entry in table.entries if not entry.passed]
        for entry in entries:
            found = _conflict(entry, number, meant, written, inside)
            if found is not None:
                yield found
        for entry in entries:
            path = entry.hidden if entry.is_whiteout else entry.path
            if not entry.is_opaque:
                written.setdefault(path, []).append((number, entry))
            for above in parents(path):
                numbers = inside.setdefault(above, [])
                if numbers[-1:] == [number]:
                    break
                numbers.append(number)


def _conflict(
    entry: Entry,
    number: int,
    meant: frozenset[int],
    written: Mapping[str, list[tuple[int, Entry]]],
    inside: Mapping[str, list[int]],
) -> Conflict | None:
    """Return the conflict of an entry with a lower layer; ``inside`` maps folders to layers that have something there."""
    path = entry.hidden if entry.is_whiteout else entry.path
    for lower, below in written.get(path, ()):
        if lower not in meant and not _agree(below, entry) and not entry.is_opaque:
            return Conflict(path, lower, number)
    if entry.type != DIRECTORY:  # a whiteout is a file, and hides whatever is below its path
        for lower in inside.get(path, ()):
            if lower not in meant:
                return Conflict(path, lower, number)
    return _through_a_file(path, number, meant, written)


def _agree(below: Entry, entry: Entry) -> bool:
    if entry.is_whiteout or below.is_whiteout:
        return entry.is_whiteout and below.is_whiteout
    return entry.same_thing(below)


def _through_a_file(
    path: str, number: int, meant: frozenset[int], written: Mapping[str, list[tuple[int, Entry]]]
) -> Conflict | None:
    """Return the conflict of what stands below a path that another layer made something else than a directory."""
    for above in parents(path):
        found = written.get(above)
        if found:
            for lower, below in found:
                if lower not in meant and below.type != DIRECTORY:
                    return Conflict(above, lower, number, below.link if below.type == SYMLINK else "")
            return None
    return None

"""Two layers of one image that write one path differently, without one having been built on the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from hermes.layer.entry import DIRECTORY, SYMLINK, Entry, parents
from hermes.layer.toc import TableOfContents


class Conflict(NamedTuple):
    """``path`` is written by the layers numbered ``lower`` and ``upper``.

    ``link`` is set when it is a symbolic link to that in the lower one, and a directory in the upper one, which has
    something ``below`` the path: runtimes then disagree about what is there.
    """

    path: str
    lower: int
    upper: int
    link: str = ""
    below: bool = False


def conflicts(
    tables: Sequence[TableOfContents],
    built_on: Mapping[int, frozenset[int]],
    made_on: Mapping[int, frozenset[int]] | None = None,
) -> Iterator[Conflict]:
    """Yield the conflicts of a stack of layers, the lowest first, in the order of layers and paths.

    ``built_on`` maps a layer's number to those of the layers that it stands on; what it writes over those is meant.
    ``made_on`` maps it to those that were seen when it was made (None: the same). What it has below a link of
    another layer is never meant: some runtimes follow the link, and others hide what it leads to. A directory that a
    layer only passes through is not written by it.
    """
    seen = built_on if made_on is None else made_on
    written: dict[str, list[tuple[int, Entry]]] = {}
    inside: dict[str, list[int]] = {}
    asked = _asked(tables)
    for number, table in enumerate(tables):
        meant = built_on.get(number, frozenset())
        made = seen.get(number, frozenset())
        own = {entry.path for entry in _written(table) if entry.type == DIRECTORY}
        for entry in _written(table):
            found = _conflict(entry, number, meant, made, written, inside)
            if found is None:
                found = _through_a_file(entry, number, meant, made, written, own)
            if found is not None:
                yield found
        if number == len(tables) - 1:
            return
        for entry in _written(table):
            path = _changed(entry)
            if not entry.is_opaque and asked.get(path, 0) > number:
                written.setdefault(path, []).append((number, entry))
            for above in parents(path):
                if asked.get(above, 0) <= number:
                    continue
                numbers = inside.setdefault(above, [])
                if numbers[-1:] == [number]:
                    break
                numbers.append(number)


def _asked(tables: Sequence[TableOfContents]) -> dict[str, int]:
    """Return the paths that layers look for in those below them, with the number of the last layer that does.

    Of the lowest layer, often a large one, nothing is remembered but these, and of the topmost one nothing.
    """
    asked: dict[str, int] = {}
    for number, table in enumerate(tables):
        for entry in _written(table) if number else ():
            path = _changed(entry)
            asked[path] = number
            for above in parents(path):
                if asked.get(above) == number:
                    break
                asked[above] = number
    return asked


def _written(table: TableOfContents) -> Iterator[Entry]:
    return (entry for entry in table.entries if not entry.passed)


def _changed(entry: Entry) -> str:
    """Return the path that an entry changes."""
    return entry.hidden if entry.is_whiteout else entry.path


def _conflict(
    entry: Entry,
    number: int,
    meant: frozenset[int],
    made: frozenset[int],
    written: Mapping[str, list[tuple[int, Entry]]],
    inside: Mapping[str, list[int]],
) -> Conflict | None:
    """Return the conflict of an entry with a lower layer; ``inside`` maps folders to layers that have something there."""
    path = _changed(entry)
    for lower, below in written.get(path, ()):
        if lower not in meant and not _agree(below, entry) and not entry.is_opaque:
            return Conflict(path, lower, number)
    if entry.type == DIRECTORY and path in written:
        lower, below = written[path][-1]
        if below.type == SYMLINK and lower not in made:
            return Conflict(path, lower, number, below.link)
    if entry.type != DIRECTORY:  # a whiteout is a file, and hides whatever is below its path
        for lower in inside.get(path, ()):
            if lower not in meant:
                return Conflict(path, lower, number)
    return None


def _agree(below: Entry, entry: Entry) -> bool:
    if entry.is_whiteout or below.is_whiteout:
        return entry.is_whiteout and below.is_whiteout
    return entry.same_thing(below)


def _through_a_file(
    entry: Entry,
    number: int,
    meant: frozenset[int],
    made: frozenset[int],
    written: Mapping[str, list[tuple[int, Entry]]],
    own: Collection[str],
) -> Conflict | None:
    """Return the conflict of what stands below a path that another layer made something else than a directory."""
    for above in parents(_changed(entry)):
        found = written.get(above)
        if above in own:
            return None
        if found:
            for lower, below in found:
                is_unseen = lower not in made and below is found[-1][1] and not below.is_whiteout
                if (lower not in meant or is_unseen) and below.type != DIRECTORY:
                    link = below.link if below.type == SYMLINK else ""
                    return Conflict(above, lower, number, link, below=not below.is_whiteout)
            return None
    return None

"""Entries in any order, from wherever they come -> the order and the form that a canonical layer has."""

from __future__ import annotations

from collections.abc import Iterable

from hermes.errors import LayerError
from hermes.layer.entry import DIRECTORY, HARDLINK, parents
from hermes.layer.write import Item


def canonical(items: Iterable[Item], *, name: str) -> list[Item]:
    """Return ``items`` sorted, each path once (the last counts), hard links pointing at their first name.

    A directory that is only passed through replaces nothing.

    Raises `LayerError`, naming the layer ``name``, for a hard link to what is not there, and for something
    below something other than a directory.
    """
    found: dict[str, Item] = {}
    links: dict[str, str] = {}
    for entry, content in items:
        if entry.passed and entry.path in found:
            continue
        links.pop(entry.path, None)
        if entry.type == HARDLINK:
            target = links.get(entry.link, entry.link)
            if target not in found:
                raise LayerError(
                    f"{name}: the hard link {entry.path} points at {entry.link}, which is not there"
                )
            if target != entry.path:
                links[entry.path] = target
                found[entry.path] = entry, None
            continue
        _promote(entry.path, found, links)
        found[entry.path] = entry, content
    _link_to_first_names(found, links)
    ordered = sorted(found.values(), key=lambda item: item[0].sort_key)
    _check_parents(found, name)
    return ordered


def _promote(path: str, found: dict[str, Item], links: dict[str, str]) -> None:
    """Give a file that is about to be replaced to one of its other names."""
    others = [one for one, target in links.items() if target == path]
    if others and path in found:
        entry, content = found[path]
        found[others[0]] = entry._replace(path=others[0]), content
        del links[others[0]]
        links.update((one, others[0]) for one in others[1:])


def _link_to_first_names(found: dict[str, Item], links: dict[str, str]) -> None:
    groups: dict[str, list[str]] = {}
    for path, target in links.items():
        groups.setdefault(target, [target]).append(path)
    for target, names in groups.items():
        entry, content = found[target]
        first, *rest = sorted(names, key=lambda one: one.encode("utf-8", "surrogateescape"))
        found[first] = entry._replace(path=first), content
        for one in rest:
            link = entry._replace(
                path=one, type=HARDLINK, size=0, digest="", link=first, xattrs=(), device=(0, 0)
            )
            found[one] = link, None


def _check_parents(found: dict[str, Item], name: str) -> None:
    for path in found:
        for above in parents(path):
            item = found.get(above)
            if item is not None:
                if item[0].type != DIRECTORY:
                    raise LayerError(f"{name}: {path} is below {above}, which is not a directory")
                break

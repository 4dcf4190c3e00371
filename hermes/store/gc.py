"""What is in a store, removing what was not used for longest, and checking the rest.

What is used is told by the time of the last change of status (ctime): making a blob, linking it into an output
folder, using a cache and noting any other use all set it. A blob that something outside of the store links is left alone: taking
away one of its names frees nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from hermes.digest import Digest
from hermes.store.home import FOREIGN, Store
from hermes.store.removal import remove_tree

KINDS: Final = ("blob", "tree", "note", "log", "cache", "module", "snapshot")
"""What can be removed.

A note says where a blob is that need not be here: `Store.blob_sources`, `Store.remote_blobs`, `Store.foreign_path`. A module is a compiled BUILD
or .bzl file, a snapshot what is remembered of one workspace.
"""

_FOLDERS: Final = frozenset({"tree", "cache", "snapshot"})


class Item(NamedTuple):
    """Something that can be removed by itself, of one of `KINDS`; sizes are in bytes."""

    kind: str
    path: str
    size: int
    used: float


@dataclass(frozen=True, slots=True)
class Usage:
    """``kinds`` maps a kind of item to how many there are and their size in bytes; ``held`` is part of that."""

    kinds: dict[str, tuple[int, int]]
    held: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed, and what is left, in bytes.

    ``linked`` is what stays because output folders link it, ``held`` because of images that have a name and working
    containers; neither is part of ``left``.
    """

    removed: int
    freed: int
    left: int
    linked: int = 0
    held: int = 0


def usage(store: Store) -> Usage:
    """Return how large a store is."""
    kinds: dict[str, tuple[int, int]] = dict.fromkeys(KINDS, (0, 0))
    held = 0
    for item, links in _items(store):
        count, size = kinds[item.kind]
        kinds[item.kind] = count + 1, size + item.size
        held += item.size if links > 1 else 0
    return Usage(kinds, held)


def collect(
    store: Store,
    most: int,
    remove: Callable[[Iterable[str]], None],
    held: Callable[[], Collection[str]] = tuple,
    forget: Callable[[], None] = lambda: None,
    waiting: Callable[[], None] | None = None,
) -> Collected:
    """Remove items until those that may be removed have at most ``most`` bytes together.

    ``remove`` removes folders whose files may have any owner; ``held`` returns the paths of what must stay, and
    ``forget`` forgets what is of no use without what was removed. Waits for commands that use the store,
    and calls ``waiting`` meanwhile; commands that come later wait for this.
    """
    with store.locks.held_in_turn("gc", waiting=waiting):
        kept = set(held())
        everything = list(_items(store))
        items = [item for item, links in everything if links == 1 and item.path not in kept]
        linked = sum(item.size for item, links in everything if links > 1)
        of_names = sum(item.size for item, links in everything if links == 1 and item.path in kept)
        left = sum(item.size for item in items)
        doomed = []
        for item in sorted(items, key=lambda one: one.used):
            if left <= most:
                break
            doomed.append(item)
            left -= item.size
        remove([item.path for item in doomed if item.kind in _FOLDERS])
        for item in doomed:
            if item.kind not in _FOLDERS:
                remove_tree(item.path)
        forget()
        return Collected(len(doomed), sum(item.size for item in doomed), left, linked, of_names)


def verify(store: Store) -> Iterator[Digest]:
    """Read every blob; remove, and yield, those that are not what their names say."""
    with store.in_use():
        for entry in sorted(os.scandir(store.blobs.folder), key=lambda one: one.name):
            digest = Digest.from_hex(entry.name)
            if not store.blobs.verify(digest):
                yield digest


def _items(store: Store) -> Iterator[tuple[Item, int]]:
    """Yield every item with how many names it has; others may be removing some of them meanwhile."""
    for kind, folder, ending in (
        ("blob", store.blobs.folder, ""),
        ("note", f"{store.home}/toc", FOREIGN),
        ("note", f"{store.home}/places", ""),
        ("note", f"{store.home}/remote", ""),
        ("log", f"{store.home}/logs", ""),
        ("module", f"{store.home}/compiled", ""),
    ):
        for entry in os.scandir(folder) if os.path.isdir(folder) else ():
            if entry.name.endswith(ending) and (status := _status(entry.path)):
                yield Item(kind, entry.path, status.st_blocks * 512, status.st_ctime), status.st_nlink
    for kind, paths in (
        ("tree", [entry.path for entry in os.scandir(store.trees)]),
        ("snapshot", [entry.path for entry in os.scandir(f"{store.home}/index")]),
        ("cache", [path for _, path in store.caches.folders()]),
    ):
        for path in paths:
            if status := _status(path):
                yield Item(kind, path, _size_of(path), status.st_ctime), 1


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def cache_sizes(store: Store) -> dict[str, tuple[int, int]]:
    """Map the names of caches to how many folders they have, and their size in bytes."""
    found: dict[str, tuple[int, int]] = {}
    for name, path in store.caches.folders():
        count, size = found.get(name, (0, 0))
        found[name] = count + 1, size + _size_of(path)
    return found


def _size_of(folder: str) -> int:
    total = 0
    pending = [folder]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
    return total

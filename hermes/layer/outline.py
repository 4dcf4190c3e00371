"""Outlines of layers: which paths a layer writes, and what kind of thing it puts there. What is in files does not count.

Most layers of an image have nothing to do with each other, and their outlines tell so in a fraction of the time that their tables of
contents take. The outline of a layer with many entries is kept beside its table, in ``toc/HEX.outline``: the sha256 in hexadecimal of
what follows, a newline, and the JSON ``[version, groups]``, where ``groups`` is null for a layer that has no outline, else a list of
``[row, paths, targets]``. ``row`` is an entry as `hermes.layer.rows` has it, without its path and target, or null for directories that
have no entry; ``paths`` and the ``targets`` of links are joined by NUL.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hermes.digest import Digest
from hermes.layer import toc
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, WHITEOUT_PREFIX, Entry, parents
from hermes.layer.rows import entry_of_row, row_of_entry
from hermes.layer.toc import DAMAGES, TableOfContents
from hermes.store import Store
from hermes.store.regular import read_regular

_VERSION: Final = 1
_SUM: Final = 64
_FILE: Final = Entry("", FILE, 0, size=1)
_EMPTY: Final = Entry("", FILE, 0)
_SMALL: Final = 64 << 10
"""Bytes up to which a table of contents is read as quickly as an outline."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What a layer puts at its paths: entries without path, digest and time, and None for a directory that has no entry.

    The size of a file is 1 if it is not empty; a hard link to a file is a file. ``folders`` is a digest in hexadecimal of what the
    layer does to directories.
    """

    found: Mapping[str, Entry | None]
    folders: str

    @classmethod
    def of(cls, table: TableOfContents) -> Outline | None:
        """Return the outline of a layer; None for one that hides something of others, or has entries below a non-directory."""
        found: dict[str, Entry | None] = {}
        folders: dict[Entry, Entry] = {}
        links: list[Entry] = []
        for entry in table.entries:
            path, kind = entry.path, entry.type
            if path in found or (WHITEOUT_PREFIX in path and entry.is_whiteout):
                return None
            if kind == FILE:
                found[path] = _FILE if entry.size else _EMPTY
            elif kind == DIRECTORY:
                folder = entry._replace(path="", mtime=0)
                found[path] = folders.setdefault(folder, folder)
            elif kind == HARDLINK:
                links.append(entry)
            else:
                found[path] = Entry("", kind, 0, link=entry.link if kind == SYMLINK else "")
        for entry in links:
            file = found.get(entry.link)
            if file is None or file.type != FILE or entry.path in found:
                return None
            found[entry.path] = file
        for path in tuple(found):
            for above in parents(path):
                if above in found:
                    there = found[above]
                    if there is not None and there.type != DIRECTORY:
                        return None
                    break
                found[above] = None
        return cls(found, _digest_of_folders(found))


def outline(store: Store, diff_id: Digest) -> Outline | None:
    """Return the outline of a layer whose table of contents is here; None where `Outline.of` does. Raises as `toc.load` does."""
    path = f"{store.toc_path(diff_id)}.outline"
    is_large = False
    try:
        is_large = os.stat(store.toc_path(diff_id)).st_size > _SMALL
        if is_large:
            return _loaded(read_regular(path))
    except (OSError, *DAMAGES):
        pass
    made = Outline.of(toc.load(store, diff_id))
    if is_large:
        store.write(path, _dumped(made))
    return made


def _digest_of_folders(found: Mapping[str, Entry | None]) -> str:
    rows = [
        [path, kind and row_of_entry(kind)]
        for path, kind in found.items()
        if kind is None or kind.type == DIRECTORY
    ]
    rows.sort(key=lambda row: str(row[0]))
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()


def _dumped(made: Outline | None) -> bytes:
    groups: dict[Entry | None, list[str]] = {}
    links: list[tuple[str, str]] = []
    for path, kind in made.found.items() if made else ():
        if kind is not None and kind.type == SYMLINK:
            links.append((path, kind.link))
        else:
            groups.setdefault(kind, []).append(path)
    rows: list[Any] = [
        [kind and row_of_entry(kind), "\0".join(paths), None] for kind, paths in groups.items()
    ]
    if links:
        paths, targets = zip(*links, strict=True)
        rows.append([row_of_entry(Entry("", SYMLINK, 0)), "\0".join(paths), "\0".join(targets)])
    document = [_VERSION, made and made.folders, rows if made else None]
    body = json.dumps(document, separators=(",", ":")).encode()
    return b"%s\n%s" % (hashlib.sha256(body).hexdigest().encode(), body)


def _loaded(data: bytes) -> Outline | None:
    """Return what was dumped; raises `ValueError`, or what else comes of damage, when ``data`` is not that."""
    body = memoryview(data)[_SUM + 1 :]
    if data[:_SUM] != hashlib.sha256(body).hexdigest().encode():
        raise ValueError("its check does not match")
    version, folders, groups = json.loads(bytes(body))
    if version != _VERSION:
        raise ValueError(f"version {version}")
    if groups is None:
        return None
    found: dict[str, Entry | None] = {}
    for row, joined, targets in groups:
        paths = joined.split("\0")
        kind = row and entry_of_row(row)
        if targets is None:
            found.update(dict.fromkeys(paths, kind))
        else:
            links = (kind._replace(link=one) for one in targets.split("\0"))
            found.update(zip(paths, links, strict=True))
    return Outline(found, folders)

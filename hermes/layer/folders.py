"""The folders of a stack of layers, as each way of unpacking layers leaves them.

docker's overlay2, podman's and buildah's overlay unpack every layer into a folder of its own; a directory that a layer holds
without describing it is made there by the tool, as root's with mode 0755, and covers those of the layers below.
containerd, umoci and vfs storage unpack all layers into one folder, where what the nearest layer says stays; what none
says is up to the tool and its umask. What the stack means is neither: a directory is what the nearest layer that changes
it says, or else the nearest that passed through it and says what it was, or else root's with mode 0755.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from hermes.errors import BuildError, LayerError
from hermes.layer.entry import DIRECTORY, LARGEST_ID, SYMLINK, Entry, implied, normal_path
from hermes.layer.entry import parents as parents_of
from hermes.layer.toc import TableOfContents
from hermes.layer.view import View


class Folders(NamedTuple):
    """What one layer does to directories: those it ``implied`` without an entry, and those it ``described``.

    ``covered`` are paths at which it hides all that is below, among them ``links``; ``hiding`` are these and directories of which it
    hides the content.
    """

    implied: AbstractSet[str]
    described: dict[str, Entry]
    covered: AbstractSet[str]
    hiding: AbstractSet[str]
    links: AbstractSet[str] = frozenset()

    @classmethod
    def of(cls, table: TableOfContents) -> Folders:
        described: dict[str, Entry] = {}
        covered: set[str] = set()
        emptied: set[str] = set()
        holding: set[str] = set()
        links: set[str] = set()
        for entry in table.entries:
            for above in parents_of(entry.path):
                if above in holding:
                    break
                holding.add(above)
            if entry.type == DIRECTORY:
                described[entry.path] = entry
            elif not entry.is_whiteout:
                covered.add(entry.path)
                if entry.type == SYMLINK:
                    links.add(entry.path)
            elif entry.is_opaque:
                emptied.add(entry.hidden)
            else:
                covered.add(entry.hidden)
        return cls(holding - described.keys(), described, covered, covered | emptied, links)

    @property
    def passed(self) -> AbstractSet[str]:
        """The directories that the layer holds and does not change."""
        return self.implied | {path for path, entry in self.described.items() if entry.passed}

    def covers(self, path: str, above: Iterable[str]) -> bool:
        """Tell whether nothing that the layers below have at ``path`` shows; ``above`` are the directories it is in, with the root."""
        return path in self.covered or not self.hiding.isdisjoint(above)


class _Shown(NamedTuple):
    """What becomes of one directory. None: no layer says."""

    meant: Entry | None
    alone: Entry | None
    in_place: Entry | None


def missing_entries(stack: Sequence[Folders], *, complete: bool = True) -> list[Entry]:
    """Return the entries that a layer on top of ``stack``, the lowest first, needs, sorted; none if all is well.

    With them every way of unpacking leaves the directories as the stack means them. Unless the stack is ``complete``,
    something that nobody knows is below it, and directories of which its layers say nothing are left as they are.
    """
    found: dict[str, Entry] = {}
    for path in sorted(frozenset().union(*(one.passed for one in stack))):
        shown = _shown(path, stack)
        if shown is None or (shown.meant is None and not complete):
            continue
        meant = shown.meant or _plain(path)
        if not (_same(shown.alone, meant) and _same(shown.in_place, meant)):
            found[path] = meant._replace(passed=False)
    for path in implied(found):
        shown = _shown(path, stack)
        if shown is not None and shown.meant is not None:
            found[path] = shown.meant._replace(passed=False)
        elif complete:
            found[path] = _plain(path)
    return [found[path] for path in sorted(found, key=lambda one: one.encode("utf-8", "surrogateescape"))]


def _shown(path: str, stack: Sequence[Folders]) -> _Shown | None:
    """Return what becomes of a directory, or None where the stack has something else."""
    said: list[Entry] = []
    alone: Entry | None = None
    above = (*parents_of(path), "")
    for one in reversed(stack):
        entry = one.described.get(path)
        if entry is not None:
            said.append(entry)
        here = entry or (_plain(path) if path in one.implied else None)
        if alone is None:
            alone = here
        if entry is not None and not entry.passed:
            return _Shown(entry, alone, said[0])
        if one.hiding and one.covers(path, above):
            if alone is None or not (said or one.links.isdisjoint((path, *above))):
                return None  # nothing of it shows, or it is where a link leads
            break
    nearest = said[0] if said else None
    return _Shown(nearest, alone, nearest)


def _plain(path: str) -> Entry:
    return Entry(path, DIRECTORY, 0o755)


def _same(shown: Entry | None, meant: Entry) -> bool:
    return shown is not None and shown.same_thing(meant)


_FOLDER: Final = re.compile(r"([0-7]{1,4}) (\d{1,10}):(\d{1,10})((?: [^ =]+=[A-Za-z0-9+/=]*)*)\Z", re.ASCII)
_LINK: Final = "-> "


def notable(view: View) -> Iterator[Entry]:
    """Yield what an image on a stack has to know of it: directories that are not root's with mode 0755, and links to some."""
    for path, entry in view.below(""):
        if entry.type == DIRECTORY:
            if not entry.same_thing(_plain(path)):
                yield entry._replace(path=path, mtime=0, passed=False)
        elif entry.type == SYMLINK:
            with suppress(BuildError):  # a loop of links leads nowhere
                if view.is_folder(view.resolve(path)):
                    yield entry._replace(path=path, mtime=0)


def noted(entries: Iterable[Entry]) -> dict[str, str]:
    """Return `notable` entries as a lock file has them: ``MODE UID:GID``, with attributes, or ``-> TARGET``, by absolute paths."""
    found = {}
    for entry in entries:
        text = f"{_LINK}{entry.link}"
        if entry.type == DIRECTORY:
            pairs = (f" {_quoted(name)}={base64.b64encode(value).decode()}" for name, value in entry.xattrs)
            text = f"{entry.mode:04o} {entry.uid}:{entry.gid}{''.join(pairs)}"
        found[f"/{entry.path}"] = text
    return found


def entries_noted(note: Mapping[str, str]) -> list[Entry]:
    """Return the entries that `noted` was given, in canonical order; raises `LayerError` for what it would not write."""
    return sorted((_noted_entry(*row) for row in note.items()), key=lambda entry: entry.sort_key)


def _noted_entry(path: str, text: str) -> Entry:
    inside = normal_path(path, of="the note of an image's folders")
    if path != f"/{inside}":
        raise LayerError(f"{path!r} is not the absolute path of a folder")
    link = text.removeprefix(_LINK)
    if inside and link and link != text and "\0" not in link:
        return Entry(inside, SYMLINK, 0o777, link=link)
    match = _FOLDER.match(text)
    if match is None or max(int(match[2]), int(match[3])) > LARGEST_ID:
        raise LayerError(f"{path}: {text!r} does not say what a folder is")
    try:
        xattrs = tuple(map(_noted_xattr, match[4].split()))
    except ValueError:
        raise LayerError(f"{path}: {text!r} does not say what a folder is") from None
    return Entry(inside, DIRECTORY, int(match[1], 8), int(match[2]), int(match[3]), xattrs=xattrs)


def _noted_xattr(text: str) -> tuple[str, bytes]:
    name, _, value = text.partition("=")
    return unquote(name, errors="surrogateescape"), base64.b64decode(value)


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="surrogateescape")

"""``resolve_destination``: where in a stack of layers something to be copied belongs.

This alone of a copy looks at the stack, and says of it no more than the copy needs: so another stack in which the
destination is the same leaves the copy as it is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from hermes.actions.listing import Listing
from hermes.actions.roots import Root
from hermes.actions.specs.resolve_destination import ResolveDestination
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.digest import canonical_json
from hermes.engine.action import FILE, Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError
from hermes.layer.entry import DIRECTORY, SYMLINK, Entry, join, parents
from hermes.layer.links import resolved
from hermes.layer.rows import entry_of_row, row_of_entry
from hermes.layer.view import View


@dataclass(frozen=True, slots=True)
class CopyDestination:
    """Where to put things: into the folder ``target``, or, if ``is_folder`` is false, as the file ``target``.

    ``missing`` are folders that have to be made, ``moved`` maps folders below the target that are links in the stack
    to what they lead to; ``links`` are all links below the target with the folders, there or not, that they lead to for
    someone whose root the target is, where an archive is unpacked. ``uid`` and ``gid`` are of whom ``--chown`` names. ``above`` are the folders on the way that
    are there, as rows of a table of contents: a layer only passes through them, and says what they are, because tools
    that unpack one layer by itself make folders that it does not describe, with modes of their own. ``inside`` are rows of
    the folders below the target that are not root's with mode 0755, where an archive is unpacked.
    """

    target: str
    is_folder: bool
    missing: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    uid: int = 0
    gid: int = 0
    above: tuple[tuple[Any, ...], ...] = ()
    inside: tuple[tuple[Any, ...], ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    def dump(self) -> bytes:
        return canonical_json(asdict(self))

    @classmethod
    def of(cls, document: dict[str, Any]) -> CopyDestination:
        missing = tuple(document["missing"])
        moved = tuple((name, path) for name, path in document["moved"])
        links = tuple((path, folder) for path, folder in document["links"])
        above = tuple(map(tuple, document["above"]))
        inside = tuple(map(tuple, document["inside"]))
        changed = {"above": above, "inside": inside, "links": links, "missing": missing, "moved": moved}
        return cls(**{**document, **changed})

    def folders(self) -> list[Entry]:
        """Return what is known of folders that are there."""
        return [entry_of_row(list(row)) for row in (*self.above, *self.inside)]

    def of_entry(self, name: str) -> str:
        """Return where something called ``name`` in what is copied belongs."""
        if not self.is_folder:
            return self.target
        return _moved(name, self.target, dict(self.moved))


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `BuildError` when something is in the way."""
    spec = of_request(ResolveDestination[Resolved], request)
    root = Root(spec.roots, tools)
    names: list[tuple[str, str]] = list(spec.entries)
    single, several = spec.single, spec.several
    if spec.listing is not None:
        listing = Listing.of(tools.document(spec.listing.value))
        names = [(entry.path, entry.type) for entry in listing.entries]
        single, several = listing.single, listing.several
    placing = _Placing(root.view)
    target = root.view.resolve(spec.dest)
    is_folder = spec.folder or root.view.is_folder(target)
    if several and not is_folder:
        raise BuildError(
            f"several things would be copied onto /{target}, which is not a folder",
            hint="end the destination with a slash to put them inside",
        )
    is_folder = is_folder or not single
    nothing = single and not names
    missing = () if nothing else placing.missing([target] if is_folder else parents(target))
    moved = placing.moved(target, names) if is_folder else ()
    uid, gid = root.ids(spec.owner)
    there = [target, *(path for _, path in moved)] if is_folder else [posixpath.dirname(target)]
    above = tuple(_above(root.view, there))
    links = tuple(_links(root.view, target)) if spec.unpacks else ()
    inside = tuple(_inside(root.view, target)) if spec.unpacks else ()
    place = CopyDestination(target, is_folder, missing, moved, uid, gid, above, inside, links)
    placing.check_files(place, names)
    return {"destination": stored(tools.store, FILE, place.dump())}


def _above(view: View, folders: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """Yield those folders that are there, of some and those above them."""
    found = {one for folder in folders if folder for one in (folder, *parents(folder))}
    for path in sorted(found):
        if view.is_folder(path):
            yield tuple(row_of_entry(view.entry(path)._replace(mtime=0, passed=False)))


def _inside(view: View, target: str) -> Iterator[tuple[Any, ...]]:
    for name, entry in view.below(target):
        plain = Entry(entry.path, DIRECTORY, 0o755)
        if entry.type == DIRECTORY and not entry.same_thing(plain):
            yield tuple(row_of_entry(entry._replace(path=join(target, name), mtime=0, passed=False)))


def _links(view: View, target: str) -> Iterator[tuple[str, str]]:
    """Yield the links below a folder that lead to folders, or to nothing, and where they lead if the folder is the root."""
    found = {name: entry.link for name, entry in view.below(target) if entry.type == SYMLINK}
    for name in found:
        with suppress(BuildError):
            folder = join(target, resolved(name, found.get)).rstrip("/")
            if view.is_folder(folder) or not view.exists(folder):
                yield join(target, name), folder


class _Placing:
    def __init__(self, view: View) -> None:
        self._view = view

    def missing(self, folders: Iterable[str]) -> tuple[str, ...]:
        """Return the folders that are not there, of some and of those above them, the highest first."""
        found: dict[str, None] = {}
        for folder in folders:
            for one in (folder, *parents(folder)) if folder else ():
                if self._view.is_folder(one):
                    break
                if self._view.exists(one):
                    raise BuildError(f"/{folder} cannot be a folder: /{one} is a file of the image")
                found[one] = None
        return tuple(sorted(found))

    def moved(self, target: str, names: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        found: dict[str, str] = {}
        for name in sorted(_folders(names)):
            path = _moved(name, target, found)
            if self._view.exists(path) and not self._view.is_folder(path):
                led_to = self._view.resolve(path)
                if self._view.entry(path).type != SYMLINK or not self._view.is_folder(led_to):
                    raise BuildError(f"a folder would be copied onto /{path}, a file of the image")
                found[name] = led_to
        return tuple(found.items())

    def check_files(self, place: CopyDestination, names: Iterable[tuple[str, str]]) -> None:
        for name, kind in names:
            if kind != DIRECTORY and self._view.is_folder(path := place.of_entry(name)):
                raise BuildError(
                    f"a file would be copied onto /{path}, a folder of the image",
                    hint="end the destination with a slash to put it inside",
                )


def _folders(names: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (name for name, kind in names if kind == DIRECTORY)


def _moved(name: str, target: str, moved: dict[str, str]) -> str:
    if moved:
        for above in (name, *parents(name)):
            if above in moved:
                return join(moved[above], name[len(above) + 1 :]).rstrip("/")
    return join(target, name) if name else target

"""The packages and targets of a workspace whose labels begin with a text: a folder at a time, as a shell completes paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hermes.errors import HermesError
from hermes.workspace.listing import Folders
from hermes.workspace.location import Location
from hermes.workspace.root import read_settings


def labels_from(begun: str, home: Path) -> Iterator[str]:
    """Yield what ``begun`` can go on to, in the form that it has, from the workspace of the current folder.

    A package ends in a colon, and a folder with others in it in a slash. After a colon the targets of the package
    follow, those that ``//...`` leaves out too. Yields nothing where there is no workspace, or what is there is broken.
    """
    try:
        where = Location.at(Path.cwd(), home)
        folders = Folders(where.root, read_settings(where.root, home).ignore)
        package, colon, name = begun.partition(":")
        if colon:
            for target in _targets(where, folders, _absolute(package, where)):
                if target.startswith(name):
                    yield f"{package}:{target}"
        else:
            yield from _folders(folders, begun, where)
    except HermesError:
        return


def _absolute(written: str, where: Location) -> str:
    """Return the package that is written absolutely, or as a path from the current folder."""
    if written.startswith("//"):
        return written[2:].rstrip("/")
    parts = [one for one in written.removeprefix("./").split("/") if one not in ("", ".")]
    return "/".join([*filter(None, [where.package]), *parts])


def _folders(folders: Folders, begun: str, where: Location) -> Iterator[str]:
    start = "//" if begun.startswith("//") else ""
    head, slash, last = begun.removeprefix(start).rpartition("/")
    above = _absolute(start + head, where)
    if not folders.has_folder(above):
        return
    if begun in ("", "//") and folders.listing(above).build_file:
        yield f"{begun}:"
    for name in folders.listing(above).folders:
        if not name.startswith(last) or (name.startswith(".") and not last):
            continue
        listing = folders.listing(f"{above}/{name}" if above else name)
        text = f"{start}{head}{slash}{name}"
        if listing.build_file:
            yield f"{text}:"
        if any(not one.startswith(".") for one in listing.folders):
            yield f"{text}/"


def _targets(where: Location, folders: Folders, package: str) -> list[str]:
    from hermes.dsl.packages import Packages
    from hermes.store import Store
    from hermes.workspace.sources import FileIndex

    if not folders.has_folder(package):
        return []
    store = Store.open(where.home)
    try:
        packages = Packages(folders, FileIndex(where.root), store, lambda _: None)
        return sorted(packages.package(package).targets)
    finally:
        store.close()

"""uv.lock: the packages of a project for a target, found by walking its graph.

See uv's documentation, "Project structure" ("The lockfile") and "Resolution"; the format is uv's own, with ``version = 1``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from hermes.errors import LockError
from hermes.python.pins import (
    LockedFile,
    Pin,
    best_wheel,
    checked_sha256,
    holds,
    no_wheel,
    of_folder,
    of_git,
)
from hermes.python.target import PythonTarget

_VERSION: Final = 1
_CONFLICT: Final = re.compile(r"extra\s*(==|!=)\s*'((?:extra|group|project)-[0-9]+-[^']+)'")
_ALWAYS: Final = "os_name == 'posix'"
_NEVER: Final = "os_name != 'posix'"
_LOCAL: Final = ("virtual", "editable", "directory")

Table = Mapping[str, Any]


class Selection(NamedTuple):
    """The part of a lock that is wanted: of the workspace's member ``project`` (empty: the one at its root) these."""

    project: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def pins_of(
    path: str, document: Table, target: PythonTarget, wanted: Selection, sources: Collection[str]
) -> list[Pin]:
    """Return what a lock has for a target.

    Of the packages in ``sources`` a source distribution is taken where no wheel fits. Other first-party packages (the
    project, members of its workspace, folders) are left out, and what they need is not. Raises `LockError`.
    """
    lock = _Lock(path, document, target, wanted)
    found: dict[str, Pin] = {}
    for package in lock.selected():
        pin = _pin(path, package, target, sources)
        if pin is None:
            continue
        if pin.name in found:
            versions = f"{found[pin.name].version} and {pin.version}"
            raise LockError(f"{path} has two versions of {pin.name} for {target}: {versions}")
        found[pin.name] = pin
    return list(found.values())


class _Lock:
    """One lock, for one target."""

    def __init__(self, path: str, document: Table, target: PythonTarget, wanted: Selection) -> None:
        self._path = path
        self._target = target
        self._wanted = wanted
        if document.get("version") != _VERSION:
            raise LockError(
                f"{path}: expected version {_VERSION} of uv.lock, got {document.get('version')!r}",
                hint="write it again with a version of uv that writes this one, or use requirements.txt",
            )
        self._check_python(str(document.get("requires-python", "")))
        self._by_name: dict[str, list[Table]] = {}
        for package in _tables(document.get("package")):
            self._by_name.setdefault(str(package.get("name")), []).append(package)
        self._root = self._project()
        self._active = self._conflicts()

    def _check_python(self, text: str) -> None:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            fits = SpecifierSet(text).contains(self._target.full)
        except InvalidSpecifier:
            raise LockError(f"{self._path}: invalid requires-python {text!r}") from None
        if not fits:
            raise LockError(
                f"{self._path} is for Python {text}, and the target has {self._target.python}",
                hint='say the whole version, as python = "3.12.4", if only the last part is too low',
            )

    def _project(self) -> Table:
        local = [
            one
            for listed in self._by_name.values()
            for one in listed
            if any(kind in _source(one) for kind in _LOCAL)
        ]
        names = sorted(str(one.get("name")) for one in local)
        if self._wanted.project:
            chosen = [one for one in local if one.get("name") == self._wanted.project]
            if not chosen:
                raise LockError(
                    f"{self._path} has no project {self._wanted.project!r}",
                    hint=f"it has {', '.join(names) or 'none'}",
                )
            return chosen[0]
        at_root = [one for one in local if any(_source(one).get(kind) == "." for kind in _LOCAL)]
        if len(at_root) == 1:
            return at_root[0]
        if len(local) == 1:
            return local[0]
        raise LockError(
            f"{self._path} does not say which project is meant", hint=f"name one of {', '.join(names)}"
        )

    def _conflicts(self) -> set[str]:
        """Return how markers call the extras and groups that are wanted, where some exclude others."""
        name = str(self._root.get("name"))
        prefix = f"{len(name)}-{name}"
        return {
            *(f"extra-{prefix}-{one}" for one in self._wanted.extras),
            *(f"group-{prefix}-{one}" for one in self._wanted.groups),
            f"project-{prefix}",
        }

    def selected(self) -> Iterator[Table]:
        """Yield each package that is needed once."""
        pending: list[tuple[Table, str]] = [(self._root, "")]
        pending += [(self._root, extra) for extra in self._wanted.extras]
        seen: set[tuple[int, str]] = set()
        yielded: set[int] = set()
        edges = [*self._group_edges()]
        while pending or edges:
            while edges:
                edge = edges.pop()
                if not self._holds(edge):
                    continue
                package = self._package(edge)
                pending += [(package, extra) for extra in ("", *map(str, edge.get("extra", ())))]
            if not pending:
                break
            package, extra = pending.pop()
            if (id(package), extra) in seen:
                continue
            seen.add((id(package), extra))
            if package is not self._root and id(package) not in yielded:
                yielded.add(id(package))
                yield package
            edges += self._edges(package, extra)

    def _group_edges(self) -> Iterator[Table]:
        groups = self._root.get("dev-dependencies", {})
        for group in self._wanted.groups:
            if group not in groups:
                raise self._unknown("dependency group", group, groups)
            yield from _tables(groups[group])

    def _edges(self, package: Table, extra: str) -> Sequence[Table]:
        if not extra:
            return _tables(package.get("dependencies"))
        extras = package.get("optional-dependencies", {})
        if extra not in extras:
            if package is self._root and extra not in package.get("metadata", {}).get("provides-extras", ()):
                raise self._unknown("extra", extra, extras)
            return ()
        return _tables(extras[extra])

    def _unknown(self, what: str, name: str, known: Collection[str]) -> LockError:
        project = self._root.get("name")
        return LockError(
            f"{self._path}: {project} has no {what} {name!r}",
            hint=f"it has {', '.join(sorted(known)) or 'none'}",
        )

    def _holds(self, edge: Table) -> bool:
        def decided(match: re.Match[str]) -> str:
            return _ALWAYS if (match[2] in self._active) == (match[1] == "==") else _NEVER

        marker = _CONFLICT.sub(decided, str(edge.get("marker", "")))
        return holds(marker, self._target, f"{self._path}: {edge.get('name')}")

    def _package(self, edge: Table) -> Table:
        """Return the package that an edge leads to."""
        name = str(edge.get("name"))
        found = [
            one
            for one in self._by_name.get(name, ())
            if all(edge[part] == one.get(part) for part in ("version", "source") if part in edge)
        ]
        if len(found) > 1:
            where = f"{self._path}: {name}"
            found = [
                one
                for one in found
                if any(
                    holds(str(marker), self._target, where) for marker in one.get("resolution-markers", ())
                )
            ]
        if len(found) != 1:
            raise LockError(
                f"{self._path}: {name} is needed, and {len(found)} packages in it are that",
                hint="write the lock again with `uv lock`",
            )
        return found[0]


def _pin(path: str, package: Table, target: PythonTarget, sources: Collection[str]) -> Pin | None:
    name, version, source = str(package.get("name")), str(package.get("version", "")), _source(package)
    if any(kind in source for kind in _LOCAL):
        folder = source.get("editable") or source.get("directory")
        return of_folder(path, name, version, str(folder)) if folder and name in sources else None
    if "git" in source:
        parts = urlsplit(str(source["git"]))
        folder = parse_qs(parts.query).get("subdirectory", [""])[0]
        return of_git(
            path, name, parts._replace(query="", fragment="").geturl(), parts.fragment, folder, sources
        )
    if "path" in source:
        raise LockError(
            f"{path}: {name} comes from a file, {source['path']}, which is not supported",
            hint="name its folder in python.find_links of hermes.yaml, and lock it by its version",
        )
    files = [_file(one) for one in _tables(package.get("wheels"))]
    if package.get("sdist"):
        files.append(_file(package["sdist"]))
    chosen = best_wheel(files, target)
    if chosen is None and name in sources:
        chosen = next((one for one in files if not one.filename.endswith(".whl")), None)
    if chosen is None:
        raise no_wheel(name, version, files, target)
    algorithm, _, digest = chosen.sha256.partition(":")
    sha256 = checked_sha256(f"{path}: {chosen.filename}", {algorithm: digest})
    return Pin(name, version, chosen.filename, (sha256,), chosen.size, chosen.url, "url" in source)


def _file(table: Table) -> LockedFile:
    url = str(table.get("url", ""))
    filename = (
        table.get("filename") or posixpath.basename(unquote(urlsplit(url).path)) or table.get("path", "")
    )
    size = table.get("size")
    return LockedFile(
        posixpath.basename(str(filename)),
        str(table.get("hash", "")),
        size if isinstance(size, int) else None,
        url if url.startswith(("http://", "https://")) else "",
    )


def _source(package: Table) -> Table:
    source = package.get("source")
    return source if isinstance(source, dict) else {}


def _tables(value: Any) -> Sequence[Table]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else ()

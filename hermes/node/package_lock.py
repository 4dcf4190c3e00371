"""``package-lock.json`` and ``package.json``, as data.

See npm's documentation, "package-lock.json": ``lockfileVersion`` 2 and 3 have ``packages``, which maps locations to what is
there. Version 1 has not, and cannot be installed from without asking a registry.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from hermes.digest import read_json
from hermes.errors import LockError

_VERSIONS: Final = (2, 3)
_FORM: Final = re.compile(r"\s*[{[]((?:\r?\n)+)(\s+)")
_KINDS: Final = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_RELOCK: Final = "run `npm install --package-lock-only` with npm 7 or later, and commit what it writes"

Texts = Mapping[str, str]
NO_TEXTS: Final[Texts] = MappingProxyType({})


class Package(NamedTuple):
    """One entry of a lock: what is at ``location``, a path below the project's folder.

    ``resolved`` is the address of its archive, or for a ``link`` the location that it leads to. ``engines`` are the ranges
    that it says it works with, ``os``, ``cpu`` and ``libc`` what it is for (None: anything). ``bin`` maps names of programs to
    paths in it. ``document`` is the entry itself.
    """

    location: str
    name: str
    version: str
    resolved: str
    integrity: str
    link: bool
    in_bundle: bool
    has_scripts: bool
    dependencies: Texts
    dev: Texts
    optional: Texts
    peer: Texts
    peer_optional: frozenset[str]
    bundled: tuple[str, ...]
    engines: Texts
    os: tuple[str, ...] | None
    cpu: tuple[str, ...] | None
    libc: tuple[str, ...] | None
    bin: Texts
    workspaces: tuple[str, ...]
    document: Mapping[str, Any]


class Form(NamedTuple):
    """How a JSON text is laid out, which npm keeps; what it writes for a text of one line is indented as usual."""

    indent: str = "  "
    newline: str = "\n"

    @classmethod
    def of(cls, data: bytes) -> Form:
        match = _FORM.match(data.decode("utf-8", "replace"))
        return cls(match[2], match[1]) if match else cls()


class PackageLock(NamedTuple):
    """A lock: the project's ``name``, and packages by their location, that of the project itself being empty."""

    path: str
    name: str
    version: str
    packages: Mapping[str, Package]
    form: Form = Form()


def read_lock(path: str, data: bytes) -> PackageLock:
    """Return what a package-lock.json or npm-shrinkwrap.json says; raises `LockError`."""
    document = _object(path, data)
    version = document.get("lockfileVersion", 1 if "dependencies" in document else None)
    if version is None:
        raise LockError(f"{path} is not a package-lock.json: it has no lockfileVersion", hint=_RELOCK)
    if version == 1 or (version in _VERSIONS and not isinstance(document.get("packages"), dict)):
        raise LockError(
            f"{path} has lockfileVersion {version}, which does not say where packages go", hint=_RELOCK
        )
    if version not in _VERSIONS:
        raise LockError(
            f"{path} has lockfileVersion {version!r}; 2 and 3 are known",
            hint="write it with a version of npm that writes version 3, or use a newer Hermes",
        )
    packages = {}
    for location, entry in document["packages"].items():
        if not isinstance(entry, dict):
            raise LockError(f"{path}: {location or 'the project'} is not an object", hint=_RELOCK)
        packages[location] = _package(path, _checked_location(path, location), entry)
    packages.setdefault("", _package(path, "", {}))
    name = document.get("name")
    own = document.get("version")
    return PackageLock(
        path,
        name if isinstance(name, str) else "",
        own if isinstance(own, str) else "",
        packages,
        Form.of(data),
    )


def read_manifest(path: str, data: bytes, location: str) -> Package:
    """Return what the package.json of the project, or of a workspace at ``location``, says; raises `LockError`."""
    document = dict(_object(path, data))
    bundled = document.pop("bundledDependencies", None)
    if bundled is not None:
        document.setdefault("bundleDependencies", bundled)
    if document.get("bundleDependencies") is True:
        document["bundleDependencies"] = sorted(document.get("dependencies", {}))
    workspaces = document.get("workspaces")
    if isinstance(workspaces, dict):
        document["workspaces"] = workspaces.get("packages")
    if isinstance(document.get("bin"), str):
        name = str(document.get("name", "")).rpartition("/")[2]
        document["bin"] = {name: document["bin"]}
    return _package(path, location, document)


def _object(path: str, data: bytes) -> Mapping[str, Any]:
    try:
        document = read_json(data.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise LockError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise LockError(f"{path} is not a JSON object")
    return document


def _package(path: str, location: str, entry: Mapping[str, Any]) -> Package:
    where = f"{path}: {location or 'the project'}"
    tables = {one: _texts(where, one, entry.get(one)) for one in _KINDS}
    meta = entry.get("peerDependenciesMeta")
    optional_peers = [
        name
        for name, about in (meta.items() if isinstance(meta, dict) else ())
        if isinstance(about, dict) and about.get("optional")
    ]
    bundled = entry.get("bundleDependencies")
    engines = entry.get("engines")
    return Package(
        location=location,
        name=_text(where, entry, "name") or name_at(location),
        version=_text(where, entry, "version"),
        resolved=_text(where, entry, "resolved"),
        integrity=_text(where, entry, "integrity"),
        link=entry.get("link") is True,
        in_bundle=entry.get("inBundle") is True,
        has_scripts=entry.get("hasInstallScript") is True,
        dependencies=tables["dependencies"],
        dev=tables["devDependencies"],
        optional=tables["optionalDependencies"],
        peer=tables["peerDependencies"],
        peer_optional=frozenset(optional_peers),
        bundled=_names(bundled) or (),
        engines=_texts(where, "engines", engines if isinstance(engines, dict) else None),
        os=_names(entry.get("os")),
        cpu=_names(entry.get("cpu")),
        libc=_names(entry.get("libc")),
        bin=_bins(entry.get("bin"), _text(where, entry, "name") or name_at(location)),
        workspaces=_names(entry.get("workspaces")) or (),
        document=entry,
    )


def _text(where: str, entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key, "")
    if isinstance(value, str):
        return value
    if key == "resolved" and isinstance(value, bool):
        return ""
    raise LockError(f"{where}: {key} is not a string", hint=_RELOCK)


def _texts(where: str, key: str, value: Any) -> Texts:
    if value is None or value == []:
        return NO_TEXTS
    if not isinstance(value, dict):
        raise LockError(f"{where}: {key} is not an object", hint=_RELOCK)
    return {name: text for name, text in value.items() if isinstance(text, str)}


def _names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else None


def _bins(value: Any, name: str) -> Texts:
    """Return names of programs and their paths in the package, as npm's ``normalize-package-bin`` makes them safe."""
    if isinstance(value, str):
        value = {name: value}
    if isinstance(value, list):
        value = {posixpath.basename(one): one for one in value if isinstance(one, str)}
    if not isinstance(value, dict):
        return NO_TEXTS
    found = {}
    for key, path in value.items():
        base = posixpath.basename(key.replace("\\", "/").replace(":", "/").rstrip("/"))
        if not isinstance(path, str) or base in ("", ".", "..") or "\0" in base + path:
            continue
        target = posixpath.normpath("/" + path.replace("\\", "/")).lstrip("/")
        if target:
            found[base] = target
    return found


def name_at(location: str) -> str:
    """Return the name that a location stands for: its last part, with the scope."""
    scope, _, name = location.rpartition("/")
    folder = scope.rpartition("/")[2]
    return f"{folder}/{name}" if folder.startswith("@") else name


def _checked_location(path: str, location: str) -> str:
    parts = location.split("/")
    inner = parts[next((number for number, one in enumerate(parts) if one != ".."), len(parts)) :]
    if location and ({"", ".", ".."} & set(inner) or "\0" in location or "\\" in location):
        raise LockError(f"{path}: {location!r} is not a location", hint=_RELOCK)
    if ".." in parts and "node_modules" in parts:
        raise LockError(
            f"{path}: {location} is outside of the project's folder",
            hint="move what it links to into the workspace, below the folder of the lock",
        )
    return location

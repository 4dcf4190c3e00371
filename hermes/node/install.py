"""What a lock has for a target: archives and where they are unpacked, links, and what npm notes of it all.

This is what ``npm ci --ignore-scripts`` does. See npm's libraries ``arborist`` (``reify``, ``rebuild``) and ``bin-links``.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hermes.errors import HermesError, LockError
from hermes.integrity import Integrity
from hermes.node.package_lock import Form, Package, PackageLock, name_at, read_lock, read_manifest
from hermes.node.stale import check_fresh
from hermes.node.target import NodeTarget
from hermes.node.tree import OMITTABLE, Node, Tree

Read = Callable[[str], bytes]
"""Returns what a file of the workspace holds."""

_GIT: Final = ("git+", "git:", "github:", "gitlab:", "bitbucket:", "gist:")
_ORDER: Final = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
_RANKS: Final = {ord(one): chr(rank) for rank, one in enumerate(_ORDER)}
_PREFERRED: Final = (
    "name",
    "version",
    "lockfileVersion",
    "resolved",
    "integrity",
    "requires",
    "packages",
    "dependencies",
)
_NOTED: Final = frozenset(
    (
        "version",
        "dependencies",
        "peerDependencies",
        "peerDependenciesMeta",
        "optionalDependencies",
        "bundleDependencies",
        "acceptDependencies",
        "funding",
        "engines",
        "os",
        "cpu",
        "libc",
        "license",
        "hasInstallScript",
        "bin",
        "deprecated",
        "workspaces",
        "name",
        "devDependencies",
        "integrity",
        "inBundle",
        "hasShrinkwrap",
        "resolved",
    )
)
"""The fields of an entry that npm writes again; see ``metaFromNode`` of its library."""


class Wanted(NamedTuple):
    """The part of a lock that is wanted: kinds of dependencies to ``omit``, packages to ``exclude``, and whether sha1 will do.

    ``legacy_peers``: peer dependencies mean nothing, as npm's ``legacy-peer-deps`` says.
    """

    omit: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    sha1: bool = False
    legacy_peers: bool = False


class Bin(NamedTuple):
    """A link ``path`` to a program ``file``, both below the project's folder."""

    path: str
    file: str


class Archive(NamedTuple):
    """A package with an archive of its own, to be unpacked at ``location``.

    ``address`` is what `hermes.node.registry` takes, ``file`` a path of the workspace where the archive is instead.
    ``bins`` are links to what is in it, ``scripts`` tells whether it has some that npm would run.
    """

    name: str
    version: str
    location: str
    address: str
    file: str
    integrity: str
    bins: tuple[Bin, ...]
    scripts: bool


class Link(NamedTuple):
    """A symbolic link at ``location``."""

    location: str
    target: str


class Install(NamedTuple):
    """All of a project. ``note`` is what npm writes into ``node_modules/.package-lock.json``."""

    archives: tuple[Archive, ...]
    links: tuple[Link, ...]
    note: str


def install_of(
    path: str, read: Read, target: NodeTarget, wanted: Wanted, manifests: Sequence[str] = ()
) -> Install:
    """Return what the lock at ``path`` of the workspace has for a target; raises `LockError`.

    ``manifests`` are the package.json files that it was made of: a lock that does not satisfy them is stale.
    """
    unknown = sorted(set(wanted.omit) - set(OMITTABLE))
    if unknown:
        raise LockError(
            f"expected dev, optional or peer, got {unknown[0]!r}", hint='write it as omit = ["dev"]'
        )
    lock = read_lock(path, read(path))
    files = _by_location(path, manifests)
    if "" in files:
        lock = lock._replace(form=Form.of(read(files[""])))
    own = {at: read_manifest(file, read(file), at) for at, file in files.items()}
    tree = Tree(lock, own, legacy_peers=wanted.legacy_peers)
    check_fresh(lock, own, tree)
    nodes = [one for one in tree.installed(target, wanted.omit) if not _is_excluded(one, wanted.exclude)]
    _check_excluded(lock, wanted.exclude)
    bins = _bins(nodes)
    archives: dict[str, Archive] = {}
    for node in nodes:
        if node.target is None and tree.bundler(node) is None:
            archives[node.location] = _archive(lock, node, wanted)
    for node in nodes:
        holder = (tree.bundler(node) or node).location
        if holder in archives and node.location in bins:
            archives[holder] = archives[holder]._replace(bins=(*archives[holder].bins, *bins[node.location]))
    links = [_link(node) for node in nodes if node.target is not None]
    links += [
        Link(one.path, posixpath.relpath(one.file, posixpath.dirname(one.path)))
        for node in nodes
        if node.target is not None
        for one in bins.get(node.location, ())
    ]
    return Install(tuple(archives.values()), tuple(links), _note(lock, tree, nodes))


def _by_location(path: str, files: Sequence[str]) -> Mapping[str, str]:
    """Return the package.json files by the locations of their folders, as the lock at ``path`` has them."""
    folder = posixpath.dirname(path) or "."
    found = {posixpath.relpath(posixpath.dirname(one) or ".", folder): one for one in files}
    return {"" if at == "." else at: one for at, one in found.items()}


def _is_excluded(node: Node, names: Collection[str]) -> bool:
    one: Node | None = node
    while one is not None and one.parent is not None:
        if one.name in names:
            return True
        one = one.parent
    return False


def _check_excluded(lock: PackageLock, names: Iterable[str]) -> None:
    known = {location.rpartition("node_modules/")[2] for location in lock.packages}
    for name in names:
        if name not in known:
            raise LockError(f"exclude: {name} is not in {lock.path}")


def _bins(nodes: Iterable[Node]) -> Mapping[str, list[Bin]]:
    """Return the links to programs of each package, by its location; of two with one path the first has it."""
    seen = set()
    found: dict[str, list[Bin]] = {}
    ordered = sorted(nodes, key=lambda one: (one.target is not None, one.depth, _collated(one.location)))
    for node in ordered:
        package = node.package if node.target is None else node.target.package
        folder = node.location.removesuffix(node.name).rstrip("/")
        for name, file in package.bin.items():
            path = f"{folder}/.bin/{name}"
            if path not in seen:
                seen.add(path)
                found.setdefault(node.location, []).append(Bin(path, f"{node.location}/{file}"))
    return found


def _collated(text: str) -> tuple[str, str]:
    """Order ASCII texts as JavaScript's ``localeCompare`` does in English."""
    return text.lower().translate(_RANKS), text.swapcase()


def _archive(lock: PackageLock, node: Node, wanted: Wanted) -> Archive:
    package = node.package
    where = f"{lock.path}: {node.name} {package.version}".rstrip()
    resolved = package.resolved
    file = ""
    if resolved.startswith(_GIT) or resolved.partition("#")[0].endswith(".git"):
        raise LockError(
            f"{where} comes from git ({resolved}), which has no digest",
            hint="publish it to a registry, keep `npm pack` of it in the workspace as file:NAME.tgz, or exclude it",
        )
    if resolved.startswith("file:"):
        file = posixpath.normpath(
            posixpath.join(posixpath.dirname(lock.path), resolved.removeprefix("file:"))
        )
    elif not resolved and not package.version:
        raise LockError(f"{where} has neither an address nor a version", hint="lock it again")
    elif resolved and not resolved.startswith(("http://", "https://")):
        raise LockError(f"{where} has the address {resolved!r}, which is not supported")
    address = "" if file else resolved.partition("#")[0] or f"{package.name}@{package.version}"
    return Archive(
        node.name,
        package.version,
        node.location,
        address,
        file,
        _integrity(where, package, wanted, required=not file),
        (),
        package.has_scripts,
    )


def _integrity(where: str, package: Package, wanted: Wanted, *, required: bool) -> str:
    if not package.integrity:
        if required:
            raise LockError(
                f"{where} has no integrity in the lock",
                hint="remove its entry and run `npm install --package-lock-only`, or exclude it",
            )
        return ""
    try:
        found = Integrity.parse(package.integrity)
    except HermesError as error:
        raise LockError(
            f"{where} has an integrity that is not known: {error.message}", hint=error.hint
        ) from None
    if found.algorithm == "sha1" and not wanted.sha1:
        raise LockError(
            f"{where} is locked by a sha1 alone, which can be forged",
            hint="run `npm install --package-lock-only` for sha512, or say allow_sha1 = True",
        )
    return str(found)


def _link(node: Node) -> Link:
    assert node.target is not None
    folder = posixpath.dirname(node.location)
    return Link(node.location, posixpath.relpath(node.target.location or ".", folder))


def _note(lock: PackageLock, tree: Tree, nodes: Sequence[Node]) -> str:
    """Return what npm writes for itself: the entries of what is installed, as its library writes JSON."""
    installed = {one.location for one in nodes}
    kept = [
        one
        for one in tree.nodes.values()
        if one.location and (one.location in installed or (one.parent is None and not one.extraneous))
    ]
    document = {
        "name": lock.name,
        "version": lock.version,
        "lockfileVersion": 3,
        "requires": True,
        "packages": {one.location: _entry(one) for one in kept},
    }
    ordered = _nice({key: value for key, value in document.items() if value != ""})
    indent, newline = lock.form
    return f"{json.dumps(ordered, ensure_ascii=False, indent=indent)}\n".replace("\n", newline)


def _entry(node: Node) -> Mapping[str, Any]:
    if node.target is not None:
        return {"resolved": node.target.location, "link": True}
    found = {
        key: value
        for key, value in node.package.document.items()
        if key in _NOTED and value not in (None, False, "", [], {})
    }
    if found.get("name") == name_at(node.location):
        del found["name"]
    if node.package.bin:
        found["bin"] = dict(node.package.bin)
    flags = {"peer": node.peer, "dev": node.dev, "optional": node.optional, "devOptional": node.dev_optional}
    return found | {key: True for key, value in flags.items() if value}


def _nice(value: Any) -> Any:
    """Order an object as npm's ``json-stringify-nice``: what is not an object first, then by name."""
    if not isinstance(value, dict):
        return value

    def rank(item: tuple[str, Any]) -> tuple[object, ...]:
        key, inner = item
        preferred = _PREFERRED.index(key) if key in _PREFERRED else len(_PREFERRED)
        return isinstance(inner, dict), preferred, _collated(key)

    return {key: _nice(inner) for key, inner in sorted(value.items(), key=rank)}

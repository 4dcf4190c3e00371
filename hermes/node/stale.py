"""Whether a lock still is one of the package.json files that it was made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from hermes.errors import LockError
from hermes.node.package_lock import Package, PackageLock
from hermes.node.semver import is_range, satisfies
from hermes.node.tree import Node, Tree

_ALIAS: Final = re.compile(r"npm:(@?[^@]+)(?:@(.*))?\Z")


def check_fresh(lock: PackageLock, manifests: Mapping[str, Package], tree: Tree) -> None:
    """Raise `LockError` where a package.json asks for what the lock has not, or no longer for what it has."""
    for location, manifest in manifests.items():
        where = f"{location}/package.json" if location else "package.json"
        node = tree.nodes.get(location)
        if node is None:
            raise _stale(lock, f"it has no workspace {location}")
        before = lock.packages[location]
        for kind, name, spec in _asked(manifest):
            found = node.found(name)
            if found is None:
                if kind not in ("optional", "peerOptional"):
                    raise _stale(lock, f"{where} requires {name}@{spec}, which is not in it")
                if spec == dict(_named(before, kind)).get(name):
                    continue  # an optional one that could not be had
                raise _stale(lock, f"{where} has an optional {name}@{spec}, which is not in it")
            if spec != dict(_named(before, kind)).get(name) and not _fits(found, spec):
                raise _stale(
                    lock, f"{where} requires {name}@{spec}, and it has {name} {found.package.version}"
                )
        known = {name for _, name, _ in _asked(manifest)}
        for kind, name, _ in _asked(before):
            if name not in known and node.found(name) is not None and not kind.startswith("peer"):
                raise _stale(lock, f"it has {name}, which {where} no longer requires")


def _stale(lock: PackageLock, what: str) -> LockError:
    return LockError(
        f"{lock.path} is stale: {what}",
        hint="run `npm install --package-lock-only`, and commit what it writes",
    )


def _asked(package: Package) -> Iterator[tuple[str, str, str]]:
    for kind in ("prod", "dev", "optional", "peer", "peerOptional"):
        for name, spec in _named(package, kind):
            yield kind, name, spec


def _named(package: Package, kind: str) -> Iterator[tuple[str, str]]:
    """Yield names and what is asked of them, for one kind of dependency."""
    if kind in ("peer", "peerOptional"):
        for name, spec in package.peer.items():
            if (name in package.peer_optional) == (kind == "peerOptional"):
                yield name, spec
        return
    table = {"prod": package.dependencies, "dev": package.dev, "optional": package.optional}[kind]
    for name, spec in table.items():
        if kind != "prod" or name not in package.optional:
            yield name, spec


def _fits(node: Node, spec: str) -> bool:
    """Tell whether what is locked is what ``spec`` asks for, by what the lock says of it."""
    package = (node.target or node).package
    alias = _ALIAS.match(spec)
    if alias:
        return alias[1] == package.name and _fits_range(package.version, alias[2] or "*")
    if node.target is not None:
        return spec.startswith(("file:", "link:", "workspace:", ".")) or _fits_range(package.version, spec)
    if spec.startswith(("http:", "https:")):
        return package.resolved == spec
    if ":" in spec or "/" in spec:
        return package.resolved.partition("#")[0].endswith(spec.partition(":")[2].lstrip("./"))
    return package.name == node.name and _fits_range(package.version, spec)


def _fits_range(version: str, spec: str) -> bool:
    wanted = spec or "*"
    return satisfies(version, wanted) if is_range(wanted) else bool(version)

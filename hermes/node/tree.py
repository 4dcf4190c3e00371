"""The tree of a lock: what depends on what, as Node.js finds it, and which packages are installed.

npm's library ``arborist`` is what decides: a package is found in the nearest ``node_modules`` above what needs it; whether it is
for development, optional or a peer is found by walking from the project (locks say it, too, and not always rightly).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hermes.errors import LockError
from hermes.node.package_lock import Package, PackageLock
from hermes.node.target import NodeTarget

OMITTABLE: Final = ("dev", "optional", "peer")
_FOLDER: Final = "node_modules/"
_FLAGS: Final = ("extraneous", "dev", "optional", "dev_optional", "peer")


class Edge(NamedTuple):
    """``source`` needs what it finds under ``name``; ``spec`` is the range or address that it asks for."""

    source: Node
    name: str
    spec: str
    dev: bool = False
    optional: bool = False
    peer: bool = False


@dataclass(eq=False, slots=True)
class Node:
    """What is at a location. ``parent`` has it in its ``node_modules``; ``above`` is the next package on the way up else.

    ``target`` is what a link leads to. The flags begin as if nothing needed it; see `_mark`.
    """

    package: Package
    parent: Node | None = None
    above: Node | None = None
    target: Node | None = None
    children: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    needed_by: list[Edge] = field(default_factory=list)
    extraneous: bool = True
    dev: bool = True
    optional: bool = True
    dev_optional: bool = True
    peer: bool = True
    left_out: bool = False

    @property
    def location(self) -> str:
        return self.package.location

    @property
    def name(self) -> str:
        """What it is found by: the end of its location."""
        return self.location.rpartition(_FOLDER)[2]

    @property
    def depth(self) -> int:
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def top(self) -> Node:
        return self if self.parent is None else self.parent.top

    def found(self, name: str) -> Node | None:
        """Return what Node.js finds under a name from here."""
        node: Node | None = self
        while node is not None:
            if name in node.children:
                return node.children[name]
            node = node.parent or node.above
        return None


class Tree:
    """The tree of ``lock`` for a target. ``manifests`` are those of package.json files, by their folders' locations.

    With ``legacy_peers``, peer dependencies mean nothing, as npm's ``legacy-peer-deps`` says.
    """

    def __init__(
        self, lock: PackageLock, manifests: Mapping[str, Package], *, legacy_peers: bool = False
    ) -> None:
        self.lock = lock
        self._legacy_peers = legacy_peers
        packages = {**lock.packages, **{at: one for at, one in manifests.items() if at in lock.packages}}
        self.nodes = {location: Node(one) for location, one in packages.items()}
        self.root = self.nodes[""]
        self._place()
        self.workspaces = self._workspaces()
        for node in self.nodes.values():
            if node.target is None:
                node.edges = list(self._edges(node))
        for node in self.nodes.values():
            for edge in node.edges:
                found = node.found(edge.name)
                if found is not None:
                    found.needed_by.append(edge)
        self._mark()

    def installed(self, target: NodeTarget, omit: Collection[str]) -> list[Node]:
        """Return what is in a ``node_modules``, links included, in the order of locations.

        Raises `LockError` for a package that must be installed and is not for the platform.
        """
        for node in self.nodes.values():
            if not node.optional and not self._is_omitted(node, omit) and not node.extraneous:
                self._check_platform(node, target)
            elif node.optional and not node.left_out:
                package = (node.target or node).package
                if not (target.suits(package) and target.runs(package)):
                    for one in _only_for(node):
                        one.left_out = True
        for node in self.nodes.values():
            node.left_out = node.left_out or node.extraneous or self._is_omitted(node, omit)
        chosen = [one for one in self.nodes.values() if one.parent is not None and not _is_left_out(one)]
        return sorted(chosen, key=lambda one: one.location)

    def bundler(self, node: Node) -> Node | None:
        """Return the package whose archive has this one in it; None for one that has an archive of its own."""
        found = None
        one: Node | None = node
        while one is not None and one.parent is not None and one.package.in_bundle:
            found, one = one, one.parent
        holder = found.parent if found else None
        return holder if holder is not None and holder.parent is not None else None

    def _check_platform(self, node: Node, target: NodeTarget) -> None:
        package = node.package
        if node.target is None and not target.runs(package):
            wanted = ", ".join([*(package.os or ()), *(package.cpu or ()), *(package.libc or ())])
            raise LockError(
                f"{self.lock.path}: {node.name} {package.version} is not for {target}, only for {wanted}",
                hint="make what needs it optional, as npm's optionalDependencies, or build for another platform",
            )

    def _is_omitted(self, node: Node, omit: Collection[str]) -> bool:
        top = node.top
        if not omit or (top is not self.root and top.location not in self.workspaces):
            return False
        return (
            (node.peer and "peer" in omit)
            or (node.dev and "dev" in omit)
            or (node.optional and "optional" in omit)
            or (node.dev_optional and "optional" in omit and "dev" in omit)
        )

    def _place(self) -> None:
        for location, node in self.nodes.items():
            if not location:
                continue
            folder, slash, name = location.rpartition(_FOLDER)
            holder = self.nodes.get(folder.rstrip("/")) if slash else None
            if holder is not None and not holder.package.link:
                node.parent = holder
                holder.children[name] = node
            else:
                node.above = self._above(location)
            if node.package.link:
                node.target = self._target(node)

    def _target(self, node: Node) -> Node:
        target = self.nodes.get(node.package.resolved)
        if target is None or target.package.link:
            raise LockError(
                f"{self.lock.path}: {node.location} links to {node.package.resolved!r}, which is not in it",
                hint="run `npm install --package-lock-only`, and commit what it writes",
            )
        return target

    def _above(self, location: str) -> Node:
        folder = location
        while folder:
            folder = folder.rpartition("/")[0]
            node = self.nodes.get(folder)
            if node is not None and not node.package.link:
                return node
        return self.root

    def _workspaces(self) -> frozenset[str]:
        """Return the locations of the project's workspaces: what it links to without saying so itself."""
        root = self.root.package
        if not root.workspaces:
            return frozenset()
        links = (one for one in self.root.children.values() if one.target is not None)
        own = {*root.dependencies, *root.dev, *root.optional}
        found = set()
        for one in links:
            said = {**root.dev, **root.dependencies, **root.optional}.get(one.name, "")
            if one.target and (one.name not in own or not said.startswith(("file:", "link:"))):
                found.add(one.target.location)
        return frozenset(found)

    def _edges(self, node: Node) -> Iterator[Edge]:
        package = node.package
        found: dict[str, Edge] = {}
        for name, spec in () if self._legacy_peers else package.peer.items():
            found[name] = Edge(node, name, spec, peer=True, optional=name in package.peer_optional)
        for name, spec in package.dependencies.items():
            found[name] = Edge(node, name, spec)
        for name, spec in package.optional.items():
            found[name] = Edge(node, name, spec, optional=True)
        if node.parent is None:
            for name, spec in package.dev.items():
                found[name] = Edge(node, name, spec, dev=True)
        if node is self.root:
            for child in node.children.values():
                if child.target is not None and child.target.location in self.workspaces:
                    found[child.name] = Edge(node, child.name, f"file:{child.target.location}")
        yield from found.values()

    def _mark(self) -> None:
        """Take from each node the flags that do not hold, walking from the project."""
        root = self.root
        for flag in _FLAGS:
            setattr(root, flag, False)
        waiting, seen = [root], set()
        while waiting:
            node = waiting.pop()
            seen.add(node.location)
            if not node.extraneous:
                _keep_above(node)
            if node.target is not None:
                changed = _take(node.target, {flag: not getattr(node, flag) for flag in _FLAGS})
                if changed or node.target.location not in seen:
                    waiting.append(node.target)
                continue
            for edge in node.edges:
                found = node.found(edge.name)
                if found is not None and _take(found, _cleared(node, edge)):
                    waiting.append(found)
        for location in seen:
            node = self.nodes[location]
            node.dev_optional = node.dev_optional and not (node.dev or node.optional)


def _cleared(node: Node, edge: Edge) -> dict[str, bool]:
    """Return which flags do not hold for what is needed by ``node`` through ``edge``."""
    production = not node.dev and not edge.dev
    required = not node.optional and not edge.optional
    return {
        "extraneous": not node.extraneous and not (edge.peer and edge.optional),
        "dev": production,
        "optional": required,
        "dev_optional": not node.dev_optional and production and required,
        "peer": not node.peer and not edge.peer,
    }


def _take(node: Node, cleared: Mapping[str, bool]) -> bool:
    """Clear flags of a node; tell whether any changed."""
    changed = False
    for flag, clear in cleared.items():
        if clear and getattr(node, flag):
            setattr(node, flag, False)
            changed = True
    return changed


def _keep_above(node: Node) -> None:
    above = node.parent or node.above
    while above is not None and above.extraneous:
        above.extraneous = False
        above = above.parent or above.above


def _is_left_out(node: Node) -> bool:
    one: Node | None = node
    while one is not None:
        if one.left_out:
            return True
        one = one.parent
    return False


def _only_for(node: Node) -> set[Node]:
    """Return an optional node with what needs it, up to where that is optional, and what only those need."""
    boundary = {node: None}
    for one in _growing(boundary):
        for edge in one.needed_by:
            if not edge.optional:
                boundary[edge.source] = None

    def counts(edge: Edge) -> bool:
        return edge.source.found(edge.name) not in boundary and not edge.source.left_out

    found = dict(boundary)
    for one in _growing(found):
        for edge in one.edges:
            needed = one.found(edge.name)
            if needed is not None and counts(edge):
                found[needed] = None
    changed = True
    while changed:
        changed = False
        for one in list(found):
            if any(edge.source not in found and counts(edge) for edge in one.needed_by):
                del found[one]
                changed = True
    return set(found)


def _growing(known: dict[Node, None]) -> Iterable[Node]:
    """Yield the keys of a mapping, those too that are added meanwhile."""
    done = 0
    while done < len(known):
        batch = list(known)[done:]
        done += len(batch)
        yield from batch

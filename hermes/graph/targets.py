"""The target graph: which target depends on which, in dependency order, and who may see whom."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from hermes.errors import CycleError, SourceLocation, VisibilityError, together
from hermes.graph.label import Label

Key = TypeVar("Key", bound=Hashable)
"""What names a node: a label, or a label with what the target is configured for."""

PUBLIC = "//visibility:public"
PRIVATE = "//visibility:private"


class Packages(NamedTuple):
    """Packages, and packages with all below them; without some."""

    packages: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()
    not_packages: frozenset[str] = frozenset()
    not_trees: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Packages:
        """Parse ``//pkg``, ``//pkg/...``, ``//...`` and ``public``; with ``-`` before, what is left out.

        Raises `VisibilityError` for anything else, such as labels of targets.
        """
        found: tuple[set[str], ...] = set(), set(), set(), set()
        for text in texts:
            name = text.removeprefix("-")
            where = 2 if name != text else 0
            if name == "public":
                name = "//..."
            if not name.startswith("//") or ":" in name:
                raise VisibilityError(
                    f"{text!r} is not a package", hint="write //pkg, //pkg/..., -//pkg, or public"
                )
            path = name[2:]
            is_tree = path == "..." or path.endswith("/...")
            path = path.removesuffix("...").removesuffix("/") if is_tree else path
            found[where + is_tree].add(Label("", path, "x").package)
        return cls(*map(frozenset, found))

    def allows(self, package: str) -> bool:
        return _is_in(package, self.packages, self.trees) and not _is_in(
            package, self.not_packages, self.not_trees
        )


def _is_in(package: str, packages: frozenset[str], trees: frozenset[str]) -> bool:
    return (
        package in packages
        or "" in trees
        or any(package == tree or package.startswith(f"{tree}/") for tree in trees)
    )


@dataclass(frozen=True, slots=True)
class PackageGroup:
    """What ``package_group`` declares: packages, and other groups."""

    packages: Packages
    includes: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Visibility:
    """Who may depend on a target, beside its own package: packages, and packages with all below them.

    ``named`` are labels of groups of packages, ``groups`` what those turned out to be.
    """

    public: bool = False
    packages: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()
    named: frozenset[Label] = frozenset()
    groups: tuple[Packages, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str], *, package: str) -> Visibility:
        """Parse ``//visibility:public``, ``//visibility:private``, ``//pkg:__pkg__``, ``//pkg:__subpackages__``, and groups.

        Raises `VisibilityError` for what cannot be one of these.
        """
        packages, trees, named = set(), set(), set()
        public = False
        for text in texts:
            if text == PUBLIC:
                public = True
            elif text == PRIVATE:
                continue
            else:
                label = Label.parse(text, relative_to=package)
                if label.name == "__pkg__":
                    packages.add(label.package)
                elif label.name == "__subpackages__":
                    trees.add(label.package)
                elif (
                    not text.startswith(("//", ":"))
                    or label.package == "visibility"
                    or label.name.startswith("__")
                ):
                    raise VisibilityError(
                        f"{text!r} is not a visibility",
                        hint=f"use {PUBLIC}, {PRIVATE}, //pkg:__pkg__, //pkg:__subpackages__, or a package_group",
                    )
                else:
                    named.add(label)
        return cls(public, frozenset(packages), frozenset(trees), frozenset(named))

    def allows(self, package: str) -> bool:
        if self.public or _is_in(package, self.packages, self.trees):
            return True
        return any(group.allows(package) for group in self.groups)


@dataclass(frozen=True, slots=True)
class Node(Generic[Key]):
    """A target as the graph sees it; ``dependencies`` are targets only, in order, each once."""

    label: Label
    rule: str
    dependencies: tuple[Key, ...]
    visibility: Visibility
    location: Callable[[], SourceLocation]


def in_dependency_order(
    nodes: Mapping[Key, Node[Key]], wanted: Sequence[Key], hint: Callable[[Sequence[Key]], str]
) -> list[Key]:
    """Return ``wanted`` and what they need, each after its dependencies.

    Raises `CycleError`; ``hint`` says what to do about a cycle, given the nodes on it.
    """
    order: list[Key] = []
    state: dict[Key, bool] = {}
    for start in wanted:
        path: list[tuple[Key, int]] = [(start, 0)]
        while path:
            key, number = path.pop()
            if number == 0:
                if state.get(key):
                    continue
                state[key] = False
            dependencies = nodes[key].dependencies
            while number < len(dependencies) and state.get(dependencies[number]):
                number += 1
            if number == len(dependencies):
                state[key] = True
                order.append(key)
                continue
            following = dependencies[number]
            path.append((key, number + 1))
            if state.get(following) is False:
                raise _cycle(nodes, [one for one, _ in path], following, hint)
            path.append((following, 0))
    return order


def check_visibility(nodes: Mapping[Key, Node[Key]]) -> None:
    """Raise the errors of the first target that uses some it may not see; each is a `VisibilityError`."""
    for node in nodes.values():
        user = node.label.package
        hidden = [
            used
            for key in node.dependencies
            if (used := nodes[key]).label.package != user and not used.visibility.allows(user)
        ]
        if hidden:
            raise together(_hidden(node, used) for used in hidden)


def _hidden(node: Node[Key], used: Node[Key]) -> VisibilityError:
    user, label = node.label.package_label, used.label
    return VisibilityError(
        f"{node.label} may not use {label}, which is private to {label.package_label}",
        location=node.location(),
        hint=f'add visibility = ["{user}:__pkg__"] (or "{PUBLIC}") to {label}, at {used.location()}',
    )


def _cycle(
    nodes: Mapping[Key, Node[Key]], path: list[Key], again: Key, hint: Callable[[Sequence[Key]], str]
) -> CycleError:
    cycle = path[path.index(again) :]
    start = min(range(len(cycle)), key=lambda number: str(cycle[number]))
    cycle = cycle[start:] + cycle[:start]  # one message, from wherever it is found
    again = cycle[0]
    return CycleError(
        "dependency cycle: " + " -> ".join(str(nodes[key].label) for key in [*cycle, again]),
        location=nodes[again].location(),
        hint=hint(cycle),
    )

"""The target graph: which target depends on which, in dependency order, and who may see whom."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hermes.errors import CycleError, SourceLocation, VisibilityError, together
from hermes.graph.label import Label

Key = TypeVar("Key", bound=Hashable)
"""What names a node: a label, or a label with what the target is configured for."""

PUBLIC = "//visibility:public"
PRIVATE = "//visibility:private"


@dataclass(frozen=True, slots=True)
class Visibility:
    """Who may depend on a target, beside its own package: packages, and packages with all below them."""

    public: bool = False
    packages: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, texts: Iterable[str], *, package: str) -> Visibility:
        """Parse ``//visibility:public``, ``//visibility:private``, ``//pkg:__pkg__``, ``//pkg:__subpackages__``.

        Raises `VisibilityError` for anything else.
        """
        packages, trees = set(), set()
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
                else:
                    raise VisibilityError(
                        f"{text!r} is not a visibility",
                        hint=f"use {PUBLIC}, {PRIVATE}, //pkg:__pkg__ or //pkg:__subpackages__",
                    )
        return cls(public, frozenset(packages), frozenset(trees))

    def allows(self, package: str) -> bool:
        if self.public or package in self.packages or "" in self.trees:
            return True
        return any(package == tree or package.startswith(f"{tree}/") for tree in self.trees)


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

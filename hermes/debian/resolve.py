"""Choosing packages: everything that is asked for, and everything that needs, with no two in conflict.

The search is a pure function of its arguments. It decides one need after another; where a need cannot be met
it goes back to the latest choice that has a part in that (conflict-directed backjumping, Prosser 1993) and
takes its next option. All of it is a loop over explicit lists, so a chain of dependencies may be long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from hermes.debian.packages import Package
from hermes.debian.relation import Clause, Relation, parse_clauses, parse_relations, show_clause
from hermes.debian.universe import Universe, answers, provided
from hermes.errors import LockError

_LIMIT: Final = 200_000
"""How many choices are tried before giving up; a lock of a desktop makes about 3,000."""


class _Urgency(IntEnum):
    """When a need is looked at: choices wait until everything that leaves none is chosen."""

    FORCED = 0
    OPEN = 1
    WISHED = 2
    """A recommendation: it is left out when it cannot be had."""


@dataclass(frozen=True, slots=True)
class _Need:
    """A clause, and the package that has it; None when the user asks."""

    owner: Package | None
    clause: Clause
    wished: bool = False

    def __str__(self) -> str:
        if self.owner is None:
            return f"the lock asks for {show_clause(self.clause)}"
        return f"{self.owner.name} {'wants' if self.wished else 'needs'} {show_clause(self.clause)}"


@dataclass(slots=True)
class _Choice:
    """A need that was met by choosing the package ``options[taken]``.

    ``ended`` and ``looked`` are the lengths of the lists of needs, and how far they were looked at, when it
    was made. ``culprits`` are the chosen names because of which other options were ruled out, and
    ``explanation`` says why the first of them was.
    """

    need: _Need
    options: tuple[Package, ...]
    ended: tuple[int, ...]
    looked: tuple[int, ...]
    taken: int = -1
    culprits: set[str] = field(default_factory=set)
    explanation: str = ""


def resolve(
    universe: Universe,
    requested: Iterable[str],
    *,
    recommends: bool = False,
    essential: bool = False,
    exclude: Iterable[str] = (),
) -> tuple[Package, ...]:
    """Return the packages to install, sorted by name.

    ``requested`` are names, or ``name=version``. ``recommends`` adds what is recommended where it can be had,
    ``essential`` what every Debian system has; what is in ``exclude`` counts as there and is not returned.
    Raises `LockError`, showing by whom the package was needed that cannot be had.
    """
    present = _present(universe, exclude)
    names = sorted({*requested, *(universe.essential() if essential else ())})
    needs = [_Need(None, (relation,)) for name in names if (relation := _requested(universe, name, present))]
    search = _Search(universe, present, recommends=recommends)
    return search.run(needs)


def _present(universe: Universe, exclude: Iterable[str]) -> frozenset[str]:
    """Return the excluded names and the names they provide."""
    names = set(exclude)
    for name in tuple(names):
        for package in universe.versions(name)[:1]:
            names.update(given.name for given in provided(package))
    return frozenset(names)


def _requested(universe: Universe, text: str, present: frozenset[str]) -> Relation | None:
    name, equals, version = text.partition("=")
    if ":" in name:
        raise LockError(
            f"{text}: a package's name cannot say an architecture",
            hint=f"write {name.partition(':')[0]}; the lock's architectures say for which it is",
        )
    try:
        clauses = parse_clauses(name)
    except LockError:
        clauses = ()
    if clauses != ((Relation(name),),) or "/" in name or (equals and not version):
        raise LockError(f"{text!r} is not a package", hint="write a name, or name=version")
    if name in present:
        return None
    if not universe.versions(name):
        _check_provided(universe, name)
    return Relation(name, "=", version) if equals else Relation(name)


def _check_provided(universe: Universe, name: str) -> None:
    providers = universe.providers(name)
    if len(providers) == 1:
        return
    if providers:
        raise LockError(
            f"{name} is provided by several packages: {', '.join(providers)}",
            hint="ask for one of them",
        )
    near = universe.near(name)
    raise LockError(
        f"the archive has no package {name} for {universe.architecture}",
        hint=f"did you mean {' or '.join(near)}?" if near else "check the name, and the components of the sources",
    )


class _Search:
    """What has been chosen so far, and why. See `resolve`."""

    def __init__(self, universe: Universe, present: frozenset[str], *, recommends: bool) -> None:
        self._universe = universe
        self._present = present
        self._recommends = recommends
        self._needs: tuple[list[_Need], ...] = tuple([] for _ in _Urgency)
        self._looked = [0 for _ in _Urgency]
        self._choices: list[_Choice] = []
        self._place: dict[str, int] = {}
        self._given: defaultdict[str, list[tuple[Package, Relation]]] = defaultdict(list)
        self._refused: defaultdict[str, list[tuple[Package, Relation]]] = defaultdict(list)

    def run(self, needs: Iterable[_Need]) -> tuple[Package, ...]:
        """Meet all needs and return what was chosen; raises `LockError`."""
        for need in needs:
            self._add(need)
        steps = 0
        while (need := self._next()) is not None:
            if self._is_met(need.clause):
                continue
            options = self._universe.options(need.clause)
            choice = _Choice(need, options, tuple(map(len, self._needs)), tuple(self._looked))
            if not options:
                choice.explanation = self._nothing(need)
            settled = self._try(choice)
            while not settled:
                settled = self._go_back(choice)
                choice = self._failed
            steps += 1
            if steps > _LIMIT:
                raise LockError(
                    "the packages conflict in too many ways to find out which to take",
                    hint="ask for versions (name=version) or exclude packages",
                )
        return tuple(sorted((self._package(name) for name in self._place), key=lambda one: one.name))

"""Choosing packages: everything that is asked for, and everything that needs, with no two in conflict.

The search is a pure function of its arguments. It meets one need after another, those that leave no choice
first. Where a need cannot be met it goes back to the latest choice that has a part in that and takes its next
option (conflict-directed backjumping, Prosser 1993). It is a loop, so a chain of dependencies may be long.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from hermes.debian.packages import Package
from hermes.debian.relation import Clause, Relation, parse_clauses, parse_relations, show_clause
from hermes.debian.universe import Universe, answers, provided
from hermes.errors import LockError

_PATTERN: Final = re.compile(r"[*?\[]")
_LIMIT: Final = 20_000
"""How many choices are taken back before giving up."""

Depths = frozenset[int]
"""The choices, by their number, that something follows from."""


@dataclass(frozen=True, slots=True)
class _Need:
    """A clause, and the package that has it; None when the user asks."""

    owner: Package | None
    clause: Clause
    wished: bool = False

    def __str__(self) -> str:
        if self.owner is None:
            return f"the lock asks for {show_clause(self.clause)}"
        return f"{self.owner} {'wants' if self.wished else 'needs'} {show_clause(self.clause)}"


@dataclass(slots=True)
class _State:
    """What has been chosen so far.

    ``reasons`` says from which choices each package follows, ``why`` which need brought it. ``given`` and
    ``refused`` map names to what chosen packages provide and do not suffer. ``pending`` needs have not been
    looked at, ``open`` ones leave a choice.
    """

    chosen: dict[str, Package] = field(default_factory=dict)
    reasons: dict[str, Depths] = field(default_factory=dict)
    why: dict[str, _Need] = field(default_factory=dict)
    given: dict[str, tuple[tuple[Package, Relation], ...]] = field(default_factory=dict)
    refused: dict[str, tuple[tuple[Package, Relation], ...]] = field(default_factory=dict)
    pending: deque[_Need] = field(default_factory=deque)
    open: deque[_Need] = field(default_factory=deque)

    def copy(self) -> _State:
        return _State(
            dict(self.chosen),
            dict(self.reasons),
            dict(self.why),
            dict(self.given),
            dict(self.refused),
            deque(self.pending),
            deque(self.open),
        )


@dataclass(slots=True)
class _Choice:
    """A need with several options, and the state before one was taken; ``left`` are those not tried yet."""

    need: _Need
    left: deque[Package]
    before: _State
    culprits: Depths


def resolve(
    universe: Universe,
    requested: Iterable[str],
    *,
    recommends: bool = False,
    essential: bool = False,
    exclude: Iterable[str] = (),
) -> tuple[Package, ...]:
    """Return the packages to install, sorted by name.

    ``requested`` are names, ``name=version``, or ``name=pattern`` (with ``*``, ``?`` and ``[...]``). ``recommends`` adds what is recommended where it is available,
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
        raise LockError(f"{text!r} is not a package", hint="write a name, or name=version, as in perl=5.36*")
    if name in present:
        return None
    if not universe.versions(name):
        _check_provided(universe, name)
    if not equals:
        return Relation(name)
    if _PATTERN.search(version):
        version = _best(universe, name, version)
    return Relation(name, "=", version)


def _best(universe: Universe, name: str, pattern: str) -> str:
    """Return the best version of a package that a pattern matches, as for ``apt install NAME=PATTERN``."""
    from fnmatch import fnmatchcase

    versions = [one.version for one in universe.versions(name)]
    for version in versions:
        if fnmatchcase(version, pattern):
            return version
    raise LockError(
        f"no version of {name} matches {pattern}", hint=f"the archive has {', '.join(versions) or 'none'}"
    )


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
        hint=f"did you mean {' or '.join(near)}?"
        if near
        else "check the name, and the components of the sources",
    )


class _Search:
    """See `resolve`."""

    def __init__(self, universe: Universe, present: frozenset[str], *, recommends: bool) -> None:
        self._universe = universe
        self._present = present
        self._recommends = recommends
        self._state = _State()
        self._choices: list[_Choice] = []

    def run(self, needs: Iterable[_Need]) -> tuple[Package, ...]:
        """Meet all needs and return what was chosen; raises `LockError`."""
        self._state.pending.extend(needs)
        taken_back = 0
        while need := self._next():
            if self._is_met(need.clause):
                continue
            options, culprits = self._viable(need)
            if options:
                self._decide(need, options, culprits)
            elif not need.wished:
                taken_back += 1
                if taken_back > _LIMIT:
                    raise LockError(
                        "the packages conflict in too many ways to find out which to take",
                        hint="ask for versions (name=version) or exclude packages",
                    )
                self._go_back(need, culprits)
        return tuple(sorted(self._state.chosen.values(), key=lambda one: one.name))

    def _next(self) -> _Need | None:
        """Return the next need: one that leaves no choice if there is any, a recommendation last."""
        state = self._state
        while state.pending:
            need = state.pending.popleft()
            names = {option.name for option in self._universe.options(need.clause)}
            if len(names) < 2 and not need.wished:
                return need
            state.open.append(need)
        for number, need in enumerate(state.open):
            if not need.wished:
                del state.open[number]
                return need
        return state.open.popleft() if state.open else None

    def _is_met(self, clause: Clause) -> bool:
        return any(self._meets(relation) for relation in clause)

    def _meets(self, relation: Relation) -> bool:
        if relation.name in self._present:
            return True
        chosen = self._state.chosen.get(relation.name)
        if chosen is not None and relation.matches(chosen.version):
            return True
        return any(answers(given, relation) for _, given in self._state.given.get(relation.name, ()))

    def _viable(self, need: _Need) -> tuple[list[Package], Depths]:
        """Return the options that nothing chosen speaks against, and what rules out the others."""
        culprits = self._state.reasons[need.owner.name] if need.owner else Depths()
        viable = []
        for option in self._universe.options(need.clause):
            rivals = list(self._rivals(option))
            if not rivals:
                viable.append(option)
            for rival in rivals:
                culprits |= self._state.reasons[rival.name]
        return viable, culprits

    def _rivals(self, option: Package) -> Iterator[Package]:
        """Yield the chosen packages that cannot be there together with ``option``."""
        state = self._state
        if other := state.chosen.get(option.name):
            yield other
        itself = Relation(option.name, "=", option.version)
        for given in (itself, *provided(option)):
            for other, refused in state.refused.get(given.name, ()):
                if answers(given, refused):
                    yield other
        for refused in self._refused(option):
            found = state.chosen.get(refused.name)
            if found is not None and refused.matches(found.version):
                yield found
            for other, given in state.given.get(refused.name, ()):
                if answers(given, refused):
                    yield other

    def _refused(self, package: Package) -> Iterator[Relation]:
        """Yield what a package does not suffer beside it, of its own architecture: there are no others."""
        for text in (package.conflicts, package.breaks):
            for relation in _relations(package, text):
                if relation.reaches(self._universe.architecture):
                    yield relation

    def _decide(self, need: _Need, options: list[Package], culprits: Depths) -> None:
        reasons = culprits
        if len(options) > 1:
            self._choices.append(_Choice(need, deque(options[1:]), self._state.copy(), culprits))
            reasons |= {len(self._choices)}
        self._take(options[0], need, reasons)

    def _take(self, package: Package, need: _Need, reasons: Depths) -> None:
        state = self._state
        state.chosen[package.name] = package
        state.reasons[package.name] = reasons
        state.why[package.name] = need
        for relation in provided(package):
            state.given[relation.name] = (*state.given.get(relation.name, ()), (package, relation))
        for relation in self._refused(package):
            state.refused[relation.name] = (*state.refused.get(relation.name, ()), (package, relation))
        for field_text in (package.pre_depends, package.depends):
            state.pending.extend(_Need(package, clause) for clause in _clauses(package, field_text))
        if self._recommends:
            wishes = _clauses(package, package.recommends)
            state.pending.extend(_Need(package, clause, wished=True) for clause in wishes)

    def _go_back(self, need: _Need, culprits: Depths) -> None:
        """Take the next option of the latest choice that is to blame; raises `LockError` if there is none."""
        problem = self._explained(need)
        while culprits:
            depth = max(culprits)
            del self._choices[depth:]
            choice = self._choices[-1]
            choice.culprits |= culprits - {depth}
            if choice.left:
                option = choice.left.popleft()
                self._state = choice.before.copy()
                self._take(option, choice.need, choice.culprits | {depth})
                return
            culprits = choice.culprits
            self._choices.pop()
        raise LockError(
            problem, hint="ask for other packages or versions, or exclude what the image does not need"
        )

    def _explained(self, need: _Need) -> str:
        options = self._universe.options(need.clause)
        if not options:
            reason = self._universe.what_is_there(need.clause[0])
        else:
            rivals = {str(rival): None for option in options for rival in self._rivals(option)}
            reason = f"{', '.join(map(str, options))} cannot be there together with {', '.join(rivals)}"
        lines = [f"{need}: {reason}"]
        above = need
        while above.owner is not None:
            above = self._state.why[above.owner.name]
            lines.append(f"  because {above}")
        return "\n".join(lines)


def _relations(package: Package, text: str) -> tuple[Relation, ...]:
    try:
        return parse_relations(text)
    except LockError as error:
        raise LockError(f"{package}: {error.message}", hint=error.hint) from None


def _clauses(package: Package, text: str) -> tuple[Clause, ...]:
    try:
        return parse_clauses(text)
    except LockError as error:
        raise LockError(f"{package}: {error.message}", hint=error.hint) from None

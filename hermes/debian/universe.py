"""All packages that may be chosen for one architecture, and which of them answer to a relation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from hermes.debian.packages import Package
from hermes.debian.relation import Clause, Relation, parse_relations
from hermes.debian.version import VersionKey, version_key
from hermes.errors import LockError

_PRIORITIES: Final = ("required", "important", "standard", "optional", "extra")


class Universe:
    """The packages of some indexes. The order in which they come makes no difference."""

    def __init__(self, packages: Iterable[Package], architecture: str) -> None:
        self.architecture = architecture
        named: defaultdict[str, dict[Package, None]] = defaultdict(dict)
        providing: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for package in packages:
            if package.architecture not in (architecture, "all"):
                continue
            named[package.name][package] = None
            if package.provides:
                for relation in provided(package):
                    providing[relation.name][package.name] = None
        self._named = dict(named)
        self._providing = {name: tuple(providers) for name, providers in providing.items()}
        self._versions: dict[str, tuple[Package, ...]] = {}
        self._options: dict[Clause, tuple[Package, ...]] = {}

    def versions(self, name: str) -> tuple[Package, ...]:
        """Return the packages called ``name``, the best first: the highest version of the automatic ones.

        Of packages with one version the first by path is taken, so that the order of indexes does not matter.
        """
        found = self._versions.get(name)
        if found is None:
            listed = sorted(self._named.get(name, ()), key=lambda one: (one.path, one.sha256))
            kept: dict[tuple[bool, VersionKey], Package] = {}
            for package in listed:
                kept.setdefault((package.automatic, version_key(package.version)), package)
            found = tuple(kept[rank] for rank in sorted(kept, reverse=True))
            self._versions[name] = found
        return found

    def providers(self, name: str) -> tuple[str, ...]:
        """Return the names of other packages that provide ``name``, the most usual first."""
        listed = (one for one in self._providing.get(name, ()) if one != name)
        return tuple(sorted(listed, key=lambda one: (_rank(self.versions(one)[0]), one)))

    def options(self, clause: Clause) -> tuple[Package, ...]:
        """Return the packages that satisfy a clause, in the order in which they are to be tried."""
        found = self._options.get(clause)
        if found is None:
            listed: dict[Package, None] = {}
            for relation in clause:
                listed.update(dict.fromkeys(self._answers(relation)))
            found = self._options[clause] = tuple(listed)
        return found

    def _answers(self, relation: Relation) -> Iterable[Package]:
        if not relation.reaches(self.architecture):
            return
        for package in self.versions(relation.name):
            if relation.matches(package.version):
                yield package
        for name in self.providers(relation.name):
            for package in self.versions(name):
                if any(answers(given, relation) for given in provided(package)):
                    yield package

    def essential(self) -> tuple[str, ...]:
        """Return the names of the packages that every Debian system has."""
        names = (name for name in self._named if self.versions(name)[0].essential)
        return tuple(sorted(names))

    def what_is_there(self, relation: Relation) -> str:
        """Say what the archive has under a relation's name."""
        versions = self.versions(relation.name)
        if versions:
            return f"the archive has {', '.join(map(str, versions))}"
        if providers := self.providers(relation.name):
            return f"the archive has it only as provided by {', '.join(providers)}"
        return "the archive has no package of that name"

    def near(self, name: str) -> tuple[str, ...]:
        """Return up to three names that look like ``name``, which the archive does not have."""
        import difflib

        return tuple(difflib.get_close_matches(name, sorted(self._named), 3, 0.75))


def provided(package: Package) -> tuple[Relation, ...]:
    """Return what a package provides; raises `LockError` when the field is malformed."""
    try:
        return parse_relations(package.provides)
    except LockError as error:
        raise LockError(f"{package}: Provides: {error.message}", hint=error.hint) from None


def answers(given: Relation, wanted: Relation) -> bool:
    """Tell whether what one package provides is what another relation asks for."""
    return given.name == wanted.name and wanted.matches(given.version if given.operator else None)


def _rank(package: Package) -> int:
    return _PRIORITIES.index(package.priority) if package.priority in _PRIORITIES else len(_PRIORITIES)

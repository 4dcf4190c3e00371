"""Analysis of what a change touches, where all else is as the last build left it.

Where there is an error, those targets are analyzed from nothing that the change may have broken: the others were
right before, and so the first error of these is the first of all (`Reanalysis.error`), or their errors are all that
there are (`Reanalysis.sound`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hermes.build.changed import Forgotten, Touched
from hermes.build.keeping import all_of_package, sound
from hermes.build.memory.records import (
    Memory,
    PackageRow,
    TargetRow,
    VisibilityRow,
    dependency_order,
    package_of,
)
from hermes.build.session import Session
from hermes.build.traces import Tracer, conditions_of, text_of
from hermes.dsl.analysis import Kept
from hermes.dsl.configured import Configured
from hermes.dsl.plain import ProviderName, dependency
from hermes.dsl.providers import Dependency, Provider
from hermes.errors import BuildFailed, HermesError, SourceLocation
from hermes.graph.label import Label
from hermes.graph.pattern import Pattern, parse_all, select
from hermes.graph.targets import Node, Packages, Visibility, check_visibility
from hermes.image.platform import Platform


@dataclass(slots=True)
class Reanalyzed:
    """``rows`` are all packages, with the targets that are needed; ``wanted`` the keys that the build is of.

    ``provided`` and ``actions`` have, by key, what targets gave that were analyzed again. ``packages`` are those with
    another row than before.
    """

    session: Session
    rows: dict[str, PackageRow]
    wanted: tuple[str, ...]
    order: list[str]
    provided: dict[str, Any]
    actions: dict[str, dict[str, Any]]
    packages: set[str]


class Reanalysis(Kept):
    """See the module. ``make`` returns a new session that keeps what this knows."""

    def __init__(
        self,
        memory: Memory,
        touched: Touched,
        make: Callable[[Kept | None], Session],
        patterns: Sequence[str],
        package: str,
    ) -> None:
        self._memory = memory
        self._rows = memory.rows
        self._touched = touched
        self._make = make
        self._patterns = parse_all(patterns, relative_to=package)
        self._fresh = touched.packages | touched.gone | touched.new
        self._again = set(touched.targets)

    def run(self) -> Reanalyzed:
        """Raises `Forgotten`, or `HermesError` where something is wrong."""
        while True:
            session = self._session = self._make(self)
            count = len(self._again)
            wanted = self._configure(session)
            if len(self._again) == count:
                return self._analyzed(session, wanted)

    def error(self) -> HermesError | None:
        """Return what an analysis of everything finds to be wrong first, with all else in that BUILD file.

        Returns None where nothing is. Raises `Forgotten` where the patterns do not mean what they meant.
        """
        session = self._make(None)
        try:
            labels = self._labels(session)
        except HermesError as error:
            return error
        try:
            session.analysis.analyze(self._doubtful(session, labels))
        except HermesError as error:
            return all_of_package(session, labels, error)
        return None

    def sound(self, broken: dict[str, HermesError]) -> Reanalyzed:
        """Analyze what can be: ``broken`` gets the errors of packages and targets that cannot, as `keeping.sound` has it.

        The rows are only those of packages whose targets are needed. Raises `BuildFailed` where nothing is sound, `Forgotten`
        where all is, or where the patterns do not mean what they meant.
        """
        session = self._session = self._make(None)
        labels = self._labels(session, broken)
        doubtful = dict.fromkeys(self._doubtful(session, labels))
        lost = {*doubtful}.difference(sound(session, [*doubtful], broken))
        if not broken:
            raise Forgotten
        platform, wanted = session.configuration.platform, []
        for label in labels:
            if label not in lost:
                asked = Configured(label, platform)
                kept = None if label in doubtful else self._kept(label.package, text_of(asked))
                wanted.append(kept or text_of(session.analysis.configured(asked)))
        if not wanted:
            raise BuildFailed(broken)
        return self._analyzed(session, wanted, is_whole=False)

    def _doubtful(self, session: Session, labels: Iterable[Label]) -> list[Label]:
        """Return those of targets that the change may have broken."""
        platform, affected = session.configuration.platform, self._affected()
        return [
            label
            for label in labels
            if (final := self._kept(label.package, f"{label}@{platform}")) is None or final in affected
        ]

    def _affected(self) -> set[str]:
        """Return the keys of the last build that something in a touched package, or a touched target, decides."""
        users: dict[str, list[str]] = {}
        pending = []
        for package, row in self._rows.items():
            for text, target in row.targets.items():
                for one in target.finals:
                    users.setdefault(one, []).append(text)
                if (
                    package in self._fresh
                    or text in self._again
                    or any(package_of(one) in self._fresh for one in (*target.asked, *target.conditions))
                ):
                    pending.append(text)
        found = set(pending)
        while pending:
            above = [one for one in users.get(pending.pop(), ()) if one not in found]
            found.update(above)
            pending.extend(above)
        return found

    # What `Kept` asks.

    def declares(self, label: Label) -> bool:
        """See `hermes.dsl.analysis.Kept`."""
        row = None if label.package in self._fresh else self._rows.get(label.package)
        return row is not None and (label.name in row.listed or label.name in row.unlisted)

    def entered(self, asked: Configured) -> tuple[Configured, Node[Configured]] | None:
        """See `hermes.dsl.analysis.Kept`."""
        final = self._kept(asked.label.package, text_of(asked))
        if final is None:
            return None
        row = self._rows[asked.label.package].targets[final]
        platform = asked.platform if final == text_of(asked) else _configured(final).platform
        key = Configured(asked.label, platform)
        return key, Node(asked.label, row.rule, (), _visibility(row.visibility), _nowhere)

    def result(self, key: Configured) -> Dependency | None:
        """See `hermes.dsl.analysis.Kept`."""
        plain = self._memory.record(key.label.package).provided.get(text_of(key))
        return None if plain is None else dependency(key.label, plain, self._provider)

    def _provider(self, name: ProviderName) -> Provider:
        found = self._session.packages.modules.provider(name)
        if found is None:
            raise Forgotten
        return found

    def _kept(self, package: str, asked: str) -> str | None:
        """Return the key of what is asked for, if that is kept."""
        row = None if package in self._fresh else self._rows.get(package)
        if row is None:
            return None
        final = row.finals.get(asked, asked)
        return final if final in row.targets and final not in self._again else None

    # Which targets there are.

    def _configure(self, session: Session) -> list[str]:
        """Configure what is not kept; return the keys of what is wanted, and note what has to be configured, too."""
        analysis, platform = session.analysis, session.configuration.platform

        wanted = []
        for label in self._labels(session):
            found = self._kept(label.package, f"{label}@{platform}")
            wanted.append(found or text_of(analysis.configured(Configured(label, platform))))
        for text in sorted(self._again):
            if package_of(text) not in self._fresh:
                analysis.configured(_configured(text))
        conditions = self._changed_conditions(session)
        for package, row in self._rows.items():
            if package in self._fresh:
                continue
            for text, target in row.targets.items():
                if text not in self._again and self._differs(session, target, conditions):
                    self._again.add(text)
        return wanted

    def _differs(self, session: Session, target: TargetRow, conditions: set[str]) -> bool:
        """Tell whether something that decided the attributes or dependencies of a target is not what it was."""
        if target.conditions and not conditions.isdisjoint(target.conditions):
            return True
        for asked, final in zip(target.asked, target.finals, strict=True):
            if package_of(asked) in self._fresh:
                key = _configured(asked)
                is_there = session.packages.target(key.label) is not None
                if not is_there or text_of(session.analysis.configured(key)) != final:
                    return True
            elif final in self._again and text_of(session.analysis.configured(_configured(asked))) != final:
                return True
        return False

    def _changed_conditions(self, session: Session) -> set[str]:
        """Return the labels of conditions that are not what they were."""
        changed: set[str] = set()
        for package in self._fresh:
            before = self._rows[package].conditions if package in self._rows else {}
            now = {} if package in self._touched.gone else conditions_of(session.packages.package(package))
            changed.update(f"//{package}:{name}" for name in before if now.get(name) != before[name])
        return changed

    def _labels(self, session: Session, broken: dict[str, HermesError] | None = None) -> list[Label]:
        """Return the targets that the patterns mean; raises `Forgotten` where one of them means none.

        Where ``broken`` is given, it gets the errors of packages that cannot be loaded, and the others go on.
        """
        names = self._names()
        candidates: dict[Label, None] = {}
        for pattern in self._patterns:
            if pattern.negative or pattern.label is not None:
                continue
            if not session.folders.has_folder(pattern.package):
                raise Forgotten
            for name in _meant(pattern, names):
                with _noted(broken, f"//{name}"):
                    candidates.update((Label("", name, one), None) for one in self._listed(session, name))
        chosen = select(self._patterns, candidates)
        named = [one.label for one in self._patterns if one.label is not None and not one.negative]
        for label in named:
            with _noted(broken, str(label)):
                if label.name not in self._names_of(session, label.package):
                    raise Forgotten
            if broken and str(label) in broken:
                chosen = [one for one in chosen if one != label]
        if not chosen and not broken:
            raise Forgotten
        return chosen

    def _listed(self, session: Session, package: str) -> Iterable[str]:
        if package in self._fresh or package not in self._rows:
            targets = session.packages.package(package).targets
            return [name for name, target in targets.items() if session.is_listed(target)]
        return self._rows[package].listed

    def _names_of(self, session: Session, package: str) -> Iterable[str]:
        if package in self._fresh or package not in self._rows:
            return session.packages.package(package).targets
        row = self._rows[package]
        return (*row.listed, *row.unlisted)

    # What they come to.

    def _analyzed(self, session: Session, wanted: list[str], *, is_whole: bool = True) -> Reanalyzed:
        """Return what the wanted come to; without ``is_whole`` others are broken, and these have been checked."""
        analysis = session.analysis
        decided = {text_of(key): key for key in analysis.decided}

        def dependencies(text: str) -> Sequence[str]:
            key = decided.get(text)
            return (
                self._row(text).finals
                if key is None
                else [text_of(one) for one in analysis.nodes[key].dependencies]
            )

        order = dependency_order(dependencies, wanted)
        names = {*self._rows, *session.packages.loaded} - self._touched.gone
        tracer = Tracer(session, dict.fromkeys(names))
        found = Reanalyzed(session, {}, tuple(wanted), order, {}, {}, set())
        targets: dict[str, TargetRow] = {}
        is_wanted = set(wanted)
        changed: set[str] = set()

        def trace(text: str, key: Configured) -> None:
            targets[text], found.provided[text], found.actions[text] = tracer.target(
                key, wanted=text in is_wanted
            )

        for text in order:
            found_key = decided.get(text)
            if found_key is None:
                if changed.isdisjoint(self._row(text).finals):
                    continue
                found_key = _configured(text)
                analysis.reconfigure(found_key)
            trace(text, found_key)
            package = self._rows.get(package_of(text))
            before = package.targets.get(text) if package else None
            if before is None or before.digest != targets[text].digest:
                changed.add(text)
        live = set(order)
        for key in analysis.decided:  # and those whose rules had to be called for what they provide
            if (text := text_of(key)) not in targets and text in live:
                trace(text, key)
        if is_whole:
            check_visibility(analysis.nodes)
        self._put_rows(found, tracer, targets, self._loaded_by_patterns() if is_whole else ())
        unused = self._unused(found)
        session.warn_unused(unused if is_whole else [one for one in analysis.unused_values if one in unused])
        return found

    def _put_rows(
        self, found: Reanalyzed, tracer: Tracer, targets: Mapping[str, TargetRow], loaded: Iterable[str]
    ) -> None:
        """Put together the rows of all packages that are needed, and of those in ``loaded``."""
        session = found.session
        live: dict[str, dict[str, TargetRow]] = {name: {} for name in loaded}
        finals: dict[str, dict[str, str]] = {}
        for text in found.order:
            target = targets.get(text) or self._row(text)
            live.setdefault(package_of(text), {})[text] = target
            for condition in target.conditions:
                live.setdefault(package_of(condition), {})
            if target.asked != target.finals:
                _note_finals(zip(target.asked, target.finals, strict=True), finals)
        platform = session.configuration.platform
        _note_finals(((f"{one.rpartition('@')[0]}@{platform}", one) for one in found.wanted), finals)
        again = set(map(package_of, targets))
        for name, rows in live.items():
            before = None if name in self._fresh else self._rows.get(name)
            named = finals.get(name, {})
            if before is None:
                row = tracer.package(session.packages.package(name), named, rows)
            elif name in again or len(rows) != len(before.targets) or named != before.finals:
                row = before._replace(targets=rows, finals=named)
            else:
                found.rows[name] = before
                continue
            found.rows[name] = row
            found.packages.add(name)

    def _loaded_by_patterns(self) -> Iterable[str]:
        names = self._names()
        for pattern in self._patterns:
            if not pattern.negative:
                yield from (pattern.package,) if pattern.label is not None else _meant(pattern, names)

    def _names(self) -> list[str]:
        """The packages that there are, in the order in which their folders are looked at."""
        names = {*self._rows, *self._touched.new} - self._touched.gone
        return sorted(names, key=lambda name: name.split("/") if name else [])

    def _unused(self, found: Reanalyzed) -> list[str]:
        """Return the names given with ``--set`` that no condition of the targets asks for."""
        values = found.session.configuration.values
        if not values:
            return []
        labels = {
            one for row in found.rows.values() for target in row.targets.values() for one in target.conditions
        }
        asked: set[str] = set()
        for label in labels:
            _, pairs = found.rows[package_of(label)].conditions[label.rpartition(":")[2]]
            asked.update(name for name, _ in pairs)
        return [name for name, _ in values if name not in asked]

    def _row(self, text: str) -> TargetRow:
        try:
            return self._rows[package_of(text)].targets[text]
        except KeyError:
            raise Forgotten from None


@contextmanager
def _noted(broken: dict[str, HermesError] | None, name: str) -> Iterator[None]:
    """Note an error by a name, if there is a place for it."""
    try:
        yield
    except HermesError as error:
        if broken is None:
            raise
        broken[name] = error


def _note_finals(pairs: Iterable[tuple[str, str]], finals: dict[str, dict[str, str]]) -> None:
    for asked, final in pairs:
        if asked != final:
            finals.setdefault(package_of(asked), {})[asked] = final


def _meant(pattern: Pattern, names: Sequence[str]) -> Iterable[str]:
    return (
        [name for name in names if pattern.includes_package(name)]
        if pattern.recursive
        else (pattern.package,)
    )


def _configured(text: str) -> Configured:
    label, _, platform = text.rpartition("@")
    return Configured(Label.parse(label), Platform.parse(platform))


def _visibility(row: VisibilityRow) -> Visibility:
    public, packages, trees, groups = row
    found = tuple(Packages(*map(frozenset, group)) for group in groups)
    return Visibility(public, frozenset(packages), frozenset(trees), groups=found)


def _nowhere() -> SourceLocation:
    raise Forgotten

"""Rows and records of what a session loaded and analyzed, for the builds that come."""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Iterable, Mapping
from typing import Any

from hermes.build.memory.packed import pack_actions
from hermes.build.memory.records import (
    ConditionRow,
    PackageRow,
    TargetRow,
    VisibilityRow,
    WantedRow,
    owner_of_folder,
)
from hermes.build.session import Session, wanted_of
from hermes.dsl.configured import Configured
from hermes.dsl.declarations import CONFIG_SETTING
from hermes.dsl.package import Package
from hermes.dsl.plain import NotPlain, PlainValues
from hermes.dsl.providers import Dependency
from hermes.dsl.rule import Target
from hermes.engine.action import Source
from hermes.graph.targets import Visibility


class Tracer:
    """Makes the rows of one session. ``packages`` are all that the build loads, by name."""

    def __init__(self, session: Session, packages: Mapping[str, object]) -> None:
        self._session = session
        self._packages = packages
        self._plain = PlainValues(session.packages.modules.name_of)
        self._owners: dict[str, str] = {}
        self._same: dict[Any, Any] = {}

    def target(self, key: Configured, *, wanted: bool) -> tuple[TargetRow, Any, dict[str, Any]]:
        """Return the row of an analyzed target, what it provides, and its actions, both as plain data."""
        analysis = self._session.analysis
        node, trace, asked = analysis.nodes[key], analysis.traces[key], analysis.asked_of(key)
        result = analysis.result(key)
        visibility = visibility_row(node.visibility)
        try:
            digest, provided = self._plain.of(result)
        except NotPlain:
            digest, provided = os.urandom(16), None
        facts = marshal.dumps((node.rule, visibility, digest), 2)
        actions = [analysis.graph.actions[name] for name in trace.actions]
        names, finals = tuple(map(text_of, asked)), tuple(map(text_of, asked.values()))
        row = TargetRow(
            self._one(node.rule),
            self._one(visibility),
            hashlib.blake2b(facts, digest_size=16).digest(),
            names,
            names if names == finals else finals,
            self._one(tuple(sorted({str(one) for one in analysis.conditions_of(key)}))),
            tuple(sorted(trace.read)),
            tuple((one.id, tuple(dict.fromkeys(one.depends_on()))) for one in actions),
            (),
            self._foreign(
                key.label.package,
                (
                    one.artifact.path
                    for action in actions
                    for one in action.inputs
                    if type(one.artifact) is Source
                ),
            ),
            self._wanted(result) if wanted else (),
        )
        return row, provided, dict(zip(trace.actions, pack_actions(actions), strict=True))

    def _wanted(self, result: Dependency) -> tuple[WantedRow, ...]:
        listed = wanted_of([result], tested=self._session.is_testing)
        return tuple((one.label, one.kind, one.path, one.action, one.output) for one in listed)

    def package(self, package: Package, finals: dict[str, str], targets: dict[str, TargetRow]) -> PackageRow:
        """Return the row of a package, of which ``targets`` have been analyzed."""
        listed = [target.label.name for target in package.targets.values() if Session.is_listed(target)]
        names = set(listed)
        return PackageRow(
            package.files,
            self._one(tuple(sorted(package.loaded))),
            self._one(tuple(listed)),
            tuple(name for name in package.targets if name not in names),
            conditions_of(package),
            finals,
            targets,
        )

    def _foreign(self, package: str, paths: Iterable[str]) -> tuple[str, ...]:
        owners, found = self._owners, set()
        for path in paths:
            folder = path.rpartition("/")[0]
            owner = owners.get(folder)
            if owner is None:
                owner = owners[folder] = owner_of_folder(self._packages, folder)
            if owner != package:
                found.add(owner)
        return tuple(sorted(found))

    def _one(self, value: Any) -> Any:
        """Return one object for equal values, which `marshal` writes once."""
        return self._same.setdefault(value, value)


def text_of(key: Configured) -> str:
    """Return the name that a configured target has in rows."""
    return f"{key.label}@{key.platform}"


def visibility_row(visibility: Visibility) -> VisibilityRow:
    groups = tuple(tuple(tuple(sorted(one)) for one in group) for group in visibility.groups)
    return visibility.public, tuple(sorted(visibility.packages)), tuple(sorted(visibility.trees)), groups


def conditions_of(package: Package) -> dict[str, ConditionRow]:
    """Return the conditions that a package declares, by name."""
    return {
        name: _condition(target)
        for name, target in package.targets.items()
        if target.rule.name == CONFIG_SETTING
    }


def _condition(target: Target) -> ConditionRow:
    return target.attributes["platform"], tuple(sorted(target.attributes["values"].items()))

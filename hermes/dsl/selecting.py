"""Deciding the selects of a target's attributes, by the conditions that hold for a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermes.dsl.blame import Blame
from hermes.dsl.configuration import Configuration
from hermes.dsl.declarations import CONFIG_SETTING
from hermes.dsl.dialect.values import EvalError
from hermes.dsl.packages import Packages
from hermes.dsl.rule import Target
from hermes.dsl.selects import Branches, Select
from hermes.errors import HermesError, UndecidedError, together
from hermes.graph.label import Label


class Selecting:
    """Decides attributes. ``asked`` are the names of values that conditions asked for."""

    def __init__(self, packages: Packages, blame: Blame) -> None:
        self._packages = packages
        self._blame = blame
        self.asked: set[str] = set()

    def all_of(self, target: Target, configuration: Configuration) -> dict[str, Any]:
        """Return the attributes of a target, with its selects decided."""
        found: dict[str, Any] = {}
        problems: list[HermesError] = []
        for name in target.rule.attributes:
            try:
                found[name] = self.value(target, name, configuration)
            except HermesError as error:
                problems.append(error)
        if problems:
            raise together(problems)
        return found

    def value(self, target: Target, name: str, configuration: Configuration) -> Any:
        value = target.attributes[name]
        if type(value) is not Select:
            return value
        attribute = target.rule.attributes[name]
        try:
            decided = value.decided(lambda branches: self._choose(branches, target, configuration))
            return attribute.checked(
                decided, lambda text: Label.parse(text, relative_to=target.label.package)
            )
        except (EvalError, HermesError) as error:
            raise self._blame.at(target, name, error) from None

    def _choose(self, branches: Branches, target: Target, configuration: Configuration) -> Any:
        holding = []
        for label in branches.branches:
            platform, values = self._condition(label)
            self.asked.update(values)
            if configuration.satisfies(platform, values):
                holding.append((label, _facts(platform, values)))
        if not holding:
            if branches.has_default:
                return branches.default
            raise UndecidedError(branches.message or self._nothing_holds(branches, configuration))
        most = max(holding, key=lambda one: len(one[1]))
        rivals = [label for label, facts in holding if not facts <= most[1]]
        same = [label for label, facts in holding if facts == most[1] and label != most[0]]
        chosen = branches.branches[most[0]]
        for label in (*rivals, *same):
            if branches.branches[label] != chosen:
                raise EvalError(
                    f"select(): both {most[0]} and {label} hold, and neither says more than the other",
                    "make a condition for both together",
                )
        return chosen

    def _condition(self, label: Label) -> tuple[str, Mapping[str, str]]:
        target = self._packages.target(label)
        if target is None:
            raise self._packages.unknown(label)
        if target.rule.name != CONFIG_SETTING:
            raise EvalError(f"select(): {label} is a {target.rule.name}, not a {CONFIG_SETTING}")
        return target.attributes["platform"], target.attributes["values"]

    def _nothing_holds(self, branches: Branches, configuration: Configuration) -> str:
        conditions = ", ".join(str(label) for label in branches.branches)
        chosen = "".join(f" --set {name}={value}" for name, value in configuration.values)
        return (
            f"select(): none of the conditions {conditions} holds for --platform {configuration.platform}{chosen}; "
            'add one, or "//conditions:default"'
        )


def _facts(platform: str, values: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    found = {("--set", f"{name}={value}") for name, value in values.items()}
    if platform:
        found.update((str(number), part) for number, part in enumerate(platform.split("/")))
    return frozenset(found)

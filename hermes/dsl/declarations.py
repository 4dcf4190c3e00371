"""Calls of rules in BUILD files, which declare targets: their names and attributes are checked where they are given."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hermes.dsl.attributes import Attribute
from hermes.dsl.dialect.budget import Budget
from hermes.dsl.dialect.locations import CallSite
from hermes.dsl.dialect.values import EvalError
from hermes.dsl.package import Package
from hermes.dsl.places import Places
from hermes.dsl.rule import COMMON, Rule, Target
from hermes.dsl.selects import Select
from hermes.errors import BuildFileError, HermesError, LabelError, together
from hermes.graph.label import Label
from hermes.graph.targets import Visibility

DECLARING: Final = 400
CHECKING: Final = 12
"""Steps of declaring a target, and of checking an item of one of its attributes."""

CONFIG_SETTING: Final = "config_setting"


class Declarations:
    """Declares targets in the package that is being loaded. ``conditions`` is the rule of those for select()."""

    def __init__(self, places: Places, budget: Budget) -> None:
        self._places = places
        self._budget = budget
        self._package: Package | None = None
        self.conditions = Rule(
            self.declare,
            None,
            {"platform": Attribute("platform"), "values": Attribute("string_dict")},
            "A condition for select().",
            "",
        )
        self.conditions.name = CONFIG_SETTING

    @contextlib.contextmanager
    def into(self, package: Package | None) -> Iterator[None]:
        """Declare targets in a package; None while a ``.bzl`` file is loaded, which declares none."""
        outer, self._package = self._package, package
        try:
            yield
        finally:
            self._package = outer

    @property
    def package(self) -> Package | None:
        """The package that is being loaded."""
        return self._package

    def here(self) -> Package:
        """Return the package that is being loaded; raises `EvalError` if there is none."""
        if self._package is None:
            raise EvalError("this can only be called while a BUILD file is being loaded")
        return self._package

    def declare(self, rule: Rule, values: Mapping[str, Any]) -> None:
        """Declare a target in the package that is being loaded, or note what is wrong with it."""
        package = self.here()
        place = self._places.call_site()
        if not rule.name:
            raise EvalError("a rule is called after the file that makes it was loaded")
        try:
            target = self._target(package, rule, values, place)
        except BuildFileError as error:
            package.errors.append(error)
        else:
            package.targets[target.label.name] = target

    def _target(self, package: Package, rule: Rule, values: Mapping[str, Any], place: CallSite) -> Target:
        name = values.get("name")
        if type(name) is not str:
            raise self._places.at_argument(
                place, "name", EvalError(f"{rule.name} needs a name that is a string")
            )
        try:
            label = Label("", package.name, name)
        except LabelError as error:
            raise self._places.at_argument(place, "name", error) from None
        if name in package.groups:
            raise self._places.at_argument(place, "name", EvalError(f"{label} is a package_group, too"))
        if name in package.targets:
            first = package.targets[name].location()
            raise self._places.at_argument(
                place, "name", EvalError(f"there are two targets {label}", f"the first is at {first}")
            )
        checked = self._checked(rule, label, values, place)
        visibility = package.default_visibility
        if values.get("visibility") is not None:
            try:
                visibility = Visibility.parse(checked["visibility"], package=package.name)
            except HermesError as error:
                raise self._places.at_argument(place, "visibility", error) from None
        words = checked["tags"] if rule.attributes["tags"] is COMMON["tags"] else ()
        return Target(label, rule, checked, visibility, place, words)

    def _checked(
        self, rule: Rule, label: Label, values: Mapping[str, Any], place: CallSite
    ) -> dict[str, Any]:
        problems: list[HermesError] = [
            self._places.at_argument(place, given, rule.unknown(given))
            for given in values
            if given not in rule.attributes
        ]

        def to_label(text: str) -> Label:
            return Label.parse(text, relative_to=label.package)

        checked = {}
        self._budget.spend(DECLARING + sum(map(_size_of, values.values())))
        for name, attribute in rule.attributes.items():
            try:
                if type(values.get(name)) is Select and (
                    rule is self.conditions or attribute is COMMON.get(name)
                ):
                    raise EvalError("cannot depend on a select()")
                checked[name] = attribute.checked(values.get(name), to_label)
            except EvalError as error:
                problem = EvalError(f"{label}: {rule.name}: {name} {error}", error.hint)
                problems.append(self._places.at_argument(place, name, problem))
            except LabelError as error:
                problem = EvalError(f"{label}: {rule.name}: {name}: {error.message}", error.hint)
                problems.append(self._places.at_argument(place, name, problem))
        if problems:
            raise together(problems)
        return checked


def _size_of(value: Any) -> int:
    """Return the steps of checking what an attribute is given."""
    if type(value) is Select:
        return CHECKING * value.dsl_size + sum(map(_size_of, value.possible()))
    return CHECKING * len(value) if type(value) in (list, tuple, dict) else 0

"""The functions that BUILD files call beside rules, such as glob()."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from hermes.dsl.declarations import CHECKING, DECLARING, Declarations
from hermes.dsl.dialect.budget import Budget
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.dialect.values import Builtin, EvalError, check_strings, sequence, show
from hermes.dsl.package_files import PackageFiles
from hermes.graph.label import Label
from hermes.graph.targets import PackageGroup, Visibility
from hermes.graph.targets import Packages as GroupedPackages
from hermes.workspace.glob import matcher


def build_functions(declarations: Declarations, files: PackageFiles, budget: Budget) -> Mapping[str, Any]:
    """Return the functions by name; they concern the package that is being loaded."""
    functions = _Functions(declarations, files, budget)
    named: dict[str, Callable[..., Any]] = {
        "config_setting": functions.config_setting,
        "existing_rule": functions.existing_rule,
        "exports_files": functions.exports_files,
        "glob": functions.glob,
        "package": functions.package,
        "package_group": functions.package_group,
        "package_name": functions.package_name,
    }
    return {name: Builtin(name, call) for name, call in named.items()}


class _Functions:
    def __init__(self, declarations: Declarations, files: PackageFiles, budget: Budget) -> None:
        self._declarations = declarations
        self._files = files
        self._budget = budget

    def config_setting(self, **values: Any) -> None:
        self._declarations.conditions(**values)

    def existing_rule(self, name: str) -> dict[str, Any] | None:
        check_strings("existing_rule", name)
        target = self._declarations.here().targets.get(name)
        if target is None:
            return None
        items = sum(len(one) for one in target.attributes.values() if type(one) in (tuple, dict))
        self._budget.spend(DECLARING + CHECKING * items)
        shown = {key: _as_file_value(value) for key, value in target.attributes.items()}
        return {"kind": target.rule.name, **shown}

    def glob(self, include: Any, exclude: Any = (), allow_empty: bool = False) -> list[str]:
        package = self._declarations.here()
        for one in (include, exclude):
            if type(one) not in (list, tuple) or not all(type(text) is str for text in one):
                raise EvalError("glob() takes lists of patterns", 'write glob(["*.txt"])')
        files = self._files.of(package.name)
        budget = self._budget
        budget.spend(sum(map(len, (*include, *exclude))) * (8 + (len(files) >> 5)))
        try:
            wanted, unwanted = matcher(include), matcher(exclude)
        except ValueError as error:
            raise EvalError(f"glob(): {error}") from None
        build_file = os.path.basename(package.file)
        found = sorted(
            name for name in files if wanted.match(name) and not unwanted.match(name) and name != build_file
        )
        budget.spend(len(found))
        if not found and not allow_empty:
            shown = ", ".join(f'"{text}"' for text in include)
            raise EvalError(
                f"glob([{shown}]) matches no file of //{package.name}",
                "correct the pattern, or say allow_empty = True; files of packages inside are not matched",
            )
        for name in found:
            if ":" in name:
                raise EvalError(
                    f"glob() matches {show(name)}, and a label cannot have a colon in its name",
                    f"rename the file, or leave it out: exclude = [{show(name)}]",
                )
        return [f":{name}" if name.startswith("@") else name for name in found]

    def package_name(self) -> str:
        return self._declarations.here().name

    def exports_files(self, srcs: Any, visibility: Any = None, licenses: Any = None) -> None:
        package = self._declarations.here()
        names = sequence("exports_files", srcs)
        for name in names:
            check_strings("exports_files", name)
            known = name.removeprefix(":")
            if known not in self._files.of(package.name):
                raise EvalError(
                    f"exports_files(): there is no file {show(name)} in //{package.name}",
                    suggest(known, self._files.of(package.name)),
                )
            package.exported[known] = self._parsed_visibility(visibility, Visibility(public=True))

    def package_group(self, name: str, packages: Any = (), includes: Any = ()) -> None:
        package = self._declarations.here()
        check_strings("package_group", name, *packages, *includes)
        label = Label("", package.name, name)
        if name in package.groups or name in package.targets:
            raise EvalError(f"there are two targets {label}")
        included = tuple(Label.parse(one, relative_to=package.name) for one in includes)
        package.groups[name] = PackageGroup(GroupedPackages.parse(packages), included)

    def _parsed_visibility(self, given: Any, usual: Visibility) -> Visibility:
        if given is None:
            return usual
        listed = sequence("visibility", given)
        check_strings("visibility", *listed)
        return Visibility.parse(listed, package=self._declarations.here().name)

    def package(self, default_visibility: Any = None) -> None:
        package = self._declarations.here()
        if package.targets:
            raise EvalError("package() comes before all targets")
        if default_visibility is not None:
            if type(default_visibility) not in (list, tuple) or not all(
                type(one) is str for one in default_visibility
            ):
                raise EvalError("default_visibility is a list of strings")
            package.default_visibility = Visibility.parse(default_visibility, package=package.name)


def _as_file_value(value: Any) -> Any:
    if type(value) is Label:
        return str(value)
    if type(value) is tuple:
        return [_as_file_value(one) for one in value]
    if type(value) is dict:
        return {key: _as_file_value(one) for key, one in value.items()}
    return value

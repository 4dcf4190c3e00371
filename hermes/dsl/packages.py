"""Loading: the packages of a workspace, each once, and what labels name in them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from hermes.dsl.ahead import in_turn
from hermes.dsl.build_functions import build_functions
from hermes.dsl.declarations import Declarations
from hermes.dsl.dialect.budget import Budget
from hermes.dsl.dialect.builtins import language_builtins
from hermes.dsl.dialect.interpreter import Interpreter
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.modules import Failures, Modules
from hermes.dsl.package import MANUAL, Package
from hermes.dsl.package_files import PackageFiles
from hermes.dsl.places import Places
from hermes.dsl.rule import Rule, Target
from hermes.dsl.rule_functions import rule_functions
from hermes.errors import HermesError, LabelError, VisibilityError, together
from hermes.graph.label import Label
from hermes.graph.targets import Visibility
from hermes.store import Store
from hermes.workspace.listing import Folders
from hermes.workspace.sources import FileIndex

_MOST_NAMED: Final = 8
"""How many targets a message names."""

GENERATED_FILE: Final = "generated_file"
"""The rule of the target that stands for one file that another target makes."""


class Packages:
    """Loads the packages of one workspace; ``say`` is given what they print."""

    def __init__(
        self,
        folders: Folders,
        sources: FileIndex,
        store: Store | None,
        say: Callable[[str], None],
        budget: Budget | None = None,
    ) -> None:
        self._interpreter = Interpreter(budget)
        self._store = store
        self._packages: dict[str, Package] = {}
        self._failures = Failures()
        self.files = PackageFiles(folders, sources)
        self.places = Places()
        self._declarations = Declarations(self.places, self._interpreter.budget)
        language = {
            **language_builtins(self._interpreter, say),
            **rule_functions(self._declarations, self.places),
            **build_functions(self._declarations, self.files, self._interpreter.budget),
        }
        self.modules = Modules(
            language, self._interpreter, self._declarations, self.files, self.places, store
        )

    def package(self, name: str) -> Package:
        """Return a package.

        Raises `LabelError` when there is none, `BuildFileError` with all that is wrong with it when it is wrong.
        """
        found = self._packages.get(name)
        if found is None:
            with self._failures.once(name):
                found = self._load_package(name)
            self._packages[name] = found
        return found

    def target(self, label: Label) -> Target | None:
        """Return the target that a label names, or None when its package has none of the name."""
        return self.package(label.package).targets.get(label.name)

    def in_turn(self, names: Sequence[str]) -> Generator[str, None, None]:
        """Yield the names of packages that are to be loaded in this order; see `hermes.dsl.ahead`."""
        store = self._store
        if store is None:
            return (name for name in names)
        compiler = self.modules.compiler
        return in_turn(names, lambda: compiler.misses, partial(self._compile_all, store))

    def _compile_all(self, store: Store, names: Iterator[str]) -> None:
        """Compile BUILD files in a process of its own, which needs a scratch folder of its own."""
        own = Store.open(store.home)
        compiler = self.modules.compiler.storing_in(own)
        try:
            for name in names:
                with contextlib.suppress(HermesError):  # the loading process meets it
                    file = self.files.build_file(name)
                    compiler.compile(self.files.read(file)[0], file)
        finally:
            own.close()

    def visibility(self, given: Visibility, read: set[str]) -> Visibility:
        """Return a visibility with the groups that it names; the files that decide what these are get into ``read``.

        Raises `VisibilityError` where there is no such group.
        """
        pending, seen = sorted(given.named, reverse=True), set(given.named)
        found = []
        while pending:
            label = pending.pop()
            package = self.package(label.package)
            read.update(package.read)
            group = package.groups.get(label.name)
            if group is None:
                near = suggest(str(label), [f"//{label.package}:{name}" for name in package.groups])
                raise VisibilityError(
                    f"{label} is not a package_group",
                    hint=near
                    or "use //visibility:public, //pkg:__pkg__ or //pkg:__subpackages__, or declare the group",
                )
            found.append(group.packages)
            pending += [one for one in group.includes if one not in seen]
            seen.update(group.includes)
        return replace(given, named=frozenset(), groups=tuple(found)) if found else given

    @property
    def loaded(self) -> Mapping[str, Package]:
        """The packages that have been loaded, by name."""
        return self._packages

    def freeze(self, values: Iterable[Any], owner: str) -> None:
        """Make values immutable, which are from now on those of the target called ``owner``."""
        self._interpreter.mutability.freeze(values, owner)

    def unknown(self, label: Label) -> LabelError:
        """Return the error for a label that names neither a target nor a file of its package."""
        package = self.package(label.package)
        if stray := self.files.stray(label):
            return stray
        near = suggest(label.name, [*package.targets, *self.files.of(label.package)])
        return LabelError(
            f"{label.package_label} has no target or file {label.name!r}",
            hint=near or _targets_of(package.targets, package.file or label.package_label),
        )

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of a file, such as a rule's implementation."""
        return self._interpreter.call(function, *args)

    def _load_package(self, name: str) -> Package:
        file = self.files.build_file(name)
        source, files = self.files.read(file)
        package = Package(name, file, files=files)
        label = Label("", name, os.path.basename(file))
        try:
            with self._declarations.into(package):
                self.modules.run(source, file, label, names=self.modules.names, loaded=package.loaded)
        except HermesError as error:
            package.errors.append(error)
        if package.errors:
            raise together(package.errors)
        self._declare_outputs(package)
        return package

    def _declare_outputs(self, package: Package) -> None:
        """Declare a target for each file that one target alone makes under a name that nothing else in the package has."""
        made: dict[str, list[Target]] = {}
        for target in package.targets.values():
            for attribute in target.rule.outputs:
                value = target.attributes[attribute]
                for name in value if type(value) is tuple else ():
                    made.setdefault(name, []).append(target)
        taken = {*package.targets, *package.groups, *(self.files.of(package.name) if made else ())}
        for name, makers in made.items():
            if len(makers) > 1 or name in taken:
                continue
            with contextlib.suppress(LabelError):  # a name that a label cannot have
                package.targets[name] = self._generated(Label("", package.name, name), makers[0])

    def _generated(self, label: Label, maker: Target) -> Target:
        """Return the target that stands for one file of another target."""
        rule: Rule = self.modules.rule_set("files.bzl").names[GENERATED_FILE]
        usual = {name: kind.initial() for name, kind in rule.attributes.items()}
        values = {**usual, "of": maker.label, "path": label.name}
        return Target(label, rule, values, maker.visibility, maker.location, (MANUAL,))


def _targets_of(targets: Iterable[str], file: str) -> str:
    """Return a hint that names the targets of a file, or as many as fit into a line."""
    names = list(targets)
    if not names:
        return f"{file} declares no target"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{file} declares {', '.join(names[:_MOST_NAMED])}{more}"

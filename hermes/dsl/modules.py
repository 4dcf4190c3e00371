"""Loading ``.bzl`` files, and running any file with what it loads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from hermes.dsl.declarations import Declarations
from hermes.dsl.dialect.compile import Compiler
from hermes.dsl.dialect.interpreter import Interpreter
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.package import Module
from hermes.dsl.package_files import PackageFiles
from hermes.dsl.places import Places
from hermes.dsl.plain import ProviderName
from hermes.dsl.providers import Provider
from hermes.dsl.rule import Rule
from hermes.errors import BuildFileError, CycleError, HermesError, LabelError, SourceLocation, together
from hermes.graph.label import RULES_REPO, Label
from hermes.store import Store

_ELSEWHERE: Final = {
    "container_image": "image",
    "container_layer": "files_layer",
    "container_pull": "image_pull",
    "container_push": "image_push",
    "docker_build": "dockerfile_image",
    "docker_image": "dockerfile_image",
    "http_file": "fetch_file",
    "oci_image": "image",
    "oci_image_index": "image_index",
    "oci_pull": "image_pull",
    "oci_push": "image_push",
    "pkg_tar": "files_layer",
}
"""Rules of Bazel's rule sets and of Pants, and the rules that stand for them."""

PRELUDE: Final = Label(RULES_REPO, "rules", "prelude.bzl")


def rules_folder() -> Path:
    """Return the folder of the rule set that comes with Hermes."""
    here = Path(__file__).resolve().parent.parent
    bundled = here / "bundled_rules"
    return bundled if bundled.is_dir() else here.parent / "rules"


class Failures:
    """What failed to load, so that it is not loaded again."""

    def __init__(self) -> None:
        self._failures: dict[str | Label, HermesError] = {}

    @contextlib.contextmanager
    def once(self, name: str | Label) -> Iterator[None]:
        """Load a package or a ``.bzl`` file, unless that has failed before."""
        if failure := self._failures.get(name):
            raise failure
        try:
            yield
        except HermesError as error:
            if error.location is not None and not isinstance(error, CycleError):
                self._failures[name] = error
            raise


class Modules:
    """The ``.bzl`` files of one workspace and of the rules of Hermes, each loaded once.

    ``language`` are the names that every file has. ``rule_files`` maps the paths of Hermes' own that were loaded to their contents.
    """

    def __init__(
        self,
        language: Mapping[str, Any],
        interpreter: Interpreter,
        declarations: Declarations,
        files: PackageFiles,
        places: Places,
        store: Store | None,
    ) -> None:
        self._language = language
        self._interpreter = interpreter
        self._declarations = declarations
        self._files = files
        self._places = places
        self._store = store
        self._rules_compiler = Compiler(store, language)
        self._modules: dict[Label, Module] = {}
        self._loading: list[Label] = []
        self._failures = Failures()
        self._providers: dict[int, tuple[ProviderName, Provider]] = {}
        self.rule_files: dict[str, bytes] = {}

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """What files of the workspace have without loading it: the language, and the rules of Hermes."""
        return {**self._language, **self.module(PRELUDE).names}

    @cached_property
    def compiler(self) -> Compiler:
        """The compiler of files of the workspace."""
        return Compiler(self._store, self.names, _ELSEWHERE)

    def rule_set(self, name: str) -> Module:
        """Return the module ``@hermes//rules:NAME``."""
        return self.module(Label(RULES_REPO, "rules", name))

    def name_of(self, provider: Provider) -> ProviderName | None:
        """Return the name of a provider that a ``.bzl`` file defines at its top, else None."""
        found = self._providers.get(id(provider))
        return found[0] if found else None

    def provider(self, name: ProviderName) -> Provider | None:
        """Return the provider that `name_of` returned a name for, loading its file; None if it is not there now."""
        self.module(Label.parse(name[0]))
        return next((one for known, one in self._providers.values() if known == name), None)

    def module(self, label: Label) -> Module:
        """Return what a ``.bzl`` file defines; raises what is wrong with it, or with what it loads."""
        found = self._modules.get(label)
        if found is None:
            if label in self._loading:
                cycle = [*self._loading[self._loading.index(label) :], label]
                raise CycleError(
                    "files load each other: " + " -> ".join(map(str, cycle)),
                    hint="move what they share to a file of its own",
                )
            self._loading.append(label)
            try:
                with self._failures.once(label):
                    found = self._load_module(label)
            finally:
                self._loading.pop()
            self._modules[label] = found
        return found

    def _load_module(self, label: Label) -> Module:
        loaded: set[str] = set()
        if not label.name.endswith(".bzl"):
            raise LabelError(f"load() loads .bzl files, not {label}")
        if label.repo == RULES_REPO:
            path = rules_folder() / label.name
            file = str(label).replace(":", "/")
            if label.package != "rules" or not path.is_file():
                known = sorted(one.name for one in rules_folder().glob("*.bzl"))
                raise LabelError(
                    f"there is no {label}", hint=suggest(label.name, known) or f"known are {', '.join(known)}"
                )
            source = path.read_bytes()
            self.rule_files[str(path)] = source
            names: Mapping[str, Any] = self._language
        elif label.repo:
            raise LabelError(f"there is no repository @{label.repo}", hint=f"known is @{RULES_REPO}")
        else:
            self._files.build_file(label.package)
            if label.name not in self._files.of(label.package):
                raise self._unknown_module(label)
            file = f"{label.package}/{label.name}" if label.package else label.name
            source, files = self._files.read(file)
            loaded.update(files)
            names = self.names
        with self._declarations.into(None):
            defined = self.run(source, file, label, names=names, loaded=loaded)
        for name, value in defined.items():
            if type(value) in (Rule, Provider) and not value.name:
                value.name = name
                if type(value) is Provider:
                    self._providers[id(value)] = (str(label), name), value
        self._interpreter.mutability.freeze(defined.values(), file)
        names = {name: one for name, one in defined.items() if not name.startswith("_")}
        return Module(label, file, names, frozenset(loaded))

    def _unknown_module(self, label: Label) -> LabelError:
        files = [name for name in self._files.of(label.package) if name.endswith(".bzl")]
        there = f"its .bzl files are {', '.join(files)}" if files else "it has no .bzl files"
        return LabelError(
            f"{label.package_label} has no file {label.name!r}", hint=suggest(label.name, files) or there
        )

    def run(
        self, source: bytes, file: str, label: Label, *, names: Mapping[str, Any], loaded: set[str]
    ) -> dict[str, Any]:
        """Run a file and return what it defines. The paths of the files that it loads are added to ``loaded``."""
        self._places.add(file, source)
        is_own = label.repo == RULES_REPO
        compiler = self._rules_compiler if is_own else self.compiler
        try:
            compiled = compiler.compile(source, file)
            given: dict[str, Any] = {}
            problems: list[HermesError] = []
            for load in compiled.loads:
                try:
                    module = self._loaded(load.label, load.location, label)
                    loaded.update(module.loaded)
                    given.update(_names_of(module, load.names, load.location))
                except HermesError as error:
                    problems.append(error)
            if problems:
                raise together(problems)
            return self._interpreter.run(compiled.code, file, {**names, **given})
        except Exception as error:
            located = self._places.located(error)
            if located is error:
                raise
            raise located from error

    def _loaded(self, text: str, location: SourceLocation, by: Label) -> Module:
        """Return the module that a file loads."""
        try:
            return self.module(Label.parse(text, relative_to=by.package, repo=by.repo))
        except HermesError as error:
            if error.location is None:
                error.location = location
            raise


def _names_of(module: Module, names: Iterable[tuple[str, str]], location: SourceLocation) -> dict[str, Any]:
    """Return what a load() takes of a module."""
    missing = [name for _, name in names if name not in module.names]
    if missing:
        raise together(
            BuildFileError(
                f"{module.label} does not define {name!r}",
                location=location,
                hint=suggest(name, module.names),
            )
            for name in missing
        )
    return {alias: module.names[name] for alias, name in names}

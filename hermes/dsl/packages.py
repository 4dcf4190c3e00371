"""Loading: BUILD files to packages of targets, ``.bzl`` files to what they define."""

from __future__ import annotations

import ast
import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from hermes.dsl.ahead import in_turn
from hermes.dsl.attributes import KINDS, Attribute, attr_namespace
from hermes.dsl.dialect.budget import Budget
from hermes.dsl.dialect.builtins import language_builtins
from hermes.dsl.dialect.compile import Compiler
from hermes.dsl.dialect.functions import Function
from hermes.dsl.dialect.interpreter import Interpreter
from hermes.dsl.dialect.locations import CallSite, Locator
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.dialect.values import Builtin, EvalError, check_strings, sequence, show, type_name
from hermes.dsl.entries import entry_namespace
from hermes.dsl.mounts import mount_functions
from hermes.dsl.plain import ProviderName
from hermes.dsl.providers import (
    DEFAULT_INFO,
    IMAGE_INFO,
    INDEX_INFO,
    LAYER_INFO,
    PUSH_INFO,
    TEST_INFO,
    LabelValue,
    Provider,
)
from hermes.dsl.rule import COMMON, OF_TESTS, Declare, Rule, Target
from hermes.dsl.selects import Select, make_select
from hermes.errors import (
    BuildFileError,
    CycleError,
    HermesError,
    LabelError,
    SourceError,
    SourceLocation,
    VisibilityError,
    together,
)
from hermes.graph.label import RULES_REPO, Label
from hermes.graph.targets import PackageGroup, Visibility
from hermes.graph.targets import Packages as GroupedPackages
from hermes.store import Store
from hermes.workspace.glob import matcher
from hermes.workspace.listing import Folders
from hermes.workspace.sources import FileIndex

_MOST_NAMED: Final = 8
"""How many targets a message names."""

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

_DECLARING: Final = 400
_CHECKING: Final = 12
"""Steps of declaring a target, and of checking an item of one of its attributes."""

PRELUDE: Final = Label(RULES_REPO, "rules", "prelude.bzl")
CONFIG_SETTING: Final = "config_setting"
GENERATED_FILE: Final = "generated_file"
"""The rule of the target that stands for one file that another target makes."""
MANUAL: Final = "manual"


@dataclass(slots=True)
class Package:
    """What a BUILD file declares.

    ``files`` are the paths of the BUILD file (a link, and what it leads to), ``loaded`` those of the workspace's
    ``.bzl`` files that it loads, and these in turn. ``errors`` are of targets that could not be declared. ``exported`` are
    files that other packages may use, ``groups`` groups of packages, both by name.
    """

    name: str
    file: str
    targets: dict[str, Target] = field(default_factory=dict)
    default_visibility: Visibility = field(default_factory=Visibility)
    files: tuple[str, ...] = ()
    loaded: set[str] = field(default_factory=set)
    errors: list[HermesError] = field(default_factory=list)
    exported: dict[str, Visibility] = field(default_factory=dict)
    groups: dict[str, PackageGroup] = field(default_factory=dict)

    @property
    def read(self) -> Iterable[str]:
        """The paths of the files that decide what the package declares."""
        return (*self.files, *self.loaded)


@dataclass(frozen=True, slots=True)
class Module:
    """What a ``.bzl`` file defines; ``loaded`` are the paths of it and of those that it loads."""

    label: Label
    file: str
    names: Mapping[str, Any]
    loaded: frozenset[str] = frozenset()


def rules_folder() -> Path:
    """Return the folder of the rule set that comes with Hermes."""
    here = Path(__file__).resolve().parent.parent
    bundled = here / "bundled_rules"
    return bundled if bundled.is_dir() else here.parent / "rules"


class Packages:
    """Loads the packages of one workspace, each once."""

    def __init__(
        self,
        folders: Folders,
        sources: FileIndex,
        store: Store | None,
        say: Callable[[str], None],
        budget: Budget | None = None,
    ) -> None:
        self._folders = folders
        self._sources = sources
        self._interpreter = Interpreter(budget)
        self._language = {
            **language_builtins(self._interpreter, say),
            **_constants(),
            "Label": Builtin("Label", self._label),
            "provider": Builtin("provider", _provider),
            "rule": Builtin("rule", self._rule),
            "select": Builtin("select", self._select),
        }
        build_functions: dict[str, Callable[..., Any]] = {
            "config_setting": self._config_setting,
            "existing_rule": self._existing_rule,
            "exports_files": self._exports_files,
            "glob": self._glob,
            "package": self._package,
            "package_group": self._package_group,
            "package_name": self._package_name,
        }
        self._build_functions = {name: Builtin(name, call) for name, call in build_functions.items()}
        names = {**self._language, **self._build_functions}
        self._rules_compiler = Compiler(store, names)
        self._store = store
        self._texts: dict[str, list[str]] = {}
        self._sources_of: dict[str, str] = {}
        self._modules: dict[Label, Module] = {}
        self._loading: list[Label] = []
        self._packages: dict[str, Package] = {}
        self._failures: dict[str | Label, HermesError] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._current: Package | None = None
        self._conditions = Rule(
            self._declare,
            None,
            {"platform": Attribute("platform"), "values": Attribute("string_dict")},
            "A condition for select().",
            "",
        )
        self._conditions.name = CONFIG_SETTING
        self.locator = Locator(self._texts.get)
        self.rule_files: dict[str, bytes] = {}
        self._providers: dict[int, tuple[ProviderName, Provider]] = {}
        self._prelude: Mapping[str, Any] | None = None
        self._compiler: Compiler | None = None

    # What the rest of Hermes asks.

    def package(self, name: str) -> Package:
        """Return a package.

        Raises `LabelError` when there is none, `BuildFileError` with all that is wrong with it when it is wrong.
        """
        found = self._packages.get(name)
        if found is None:
            with self._failing_once(name):
                found = self._load_package(name)
            self._packages[name] = found
        return found

    @contextlib.contextmanager
    def _failing_once(self, name: str | Label) -> Iterator[None]:
        """Load a package or a ``.bzl`` file, unless that has failed before."""
        if failure := self._failures.get(name):
            raise failure
        try:
            yield
        except HermesError as error:
            if error.location is not None and not isinstance(error, CycleError):
                self._failures[name] = error
            raise

    def target(self, label: Label) -> Target | None:
        """Return the target that a label names, or None when its package has none of the name."""
        return self.package(label.package).targets.get(label.name)

    def in_turn(self, names: Sequence[str]) -> Generator[str, None, None]:
        """Yield the names of packages that are to be loaded in this order; see `hermes.dsl.ahead`."""
        store = self._store
        if store is None:
            return (name for name in names)
        compiler = self._workspace_compiler()
        return in_turn(names, lambda: compiler.misses, partial(self._compile_all, store))

    def _compile_all(self, store: Store, names: Iterator[str]) -> None:
        """Compile BUILD files in a process of its own, which needs a scratch folder of its own."""
        own = Store.open(store.home)
        compiler = self._workspace_compiler().storing_in(own)
        try:
            for name in names:
                with contextlib.suppress(HermesError):  # the loading process meets it
                    file = self._build_file(name)
                    compiler.compile(self._read(file)[0], file)
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

    def name_of(self, provider: Provider) -> ProviderName | None:
        """Return the name of a provider that a ``.bzl`` file defines at its top, else None."""
        found = self._providers.get(id(provider))
        return found[0] if found else None

    def provider(self, name: ProviderName) -> Provider | None:
        """Return the provider that `name_of` returned a name for, loading its file; None if it is not there now."""
        self._module(Label.parse(name[0]))
        return next((one for known, one in self._providers.values() if known == name), None)

    def files_of(self, package: str) -> frozenset[str]:
        """Return the files of a package, relative to it."""
        found = self._files.get(package)
        if found is None:
            found = frozenset(self._folders.package_files(package))
            self._files[package] = found
        return found

    def unknown(self, label: Label) -> LabelError:
        """Return the error for a label that names neither a target nor a file of its package."""
        package = self.package(label.package)
        path = f"{label.package}/{label.name}" if label.package else label.name
        if self._folders.has_folder(path):
            if self._folders.listing(path).build_file:
                return LabelError(f"{label} is a package of its own", hint=f"did you mean //{path}?")
            return LabelError(
                f"{label} is a folder", hint=f'use glob(["{label.name}/**"]) for the files in it'
            )
        owner = self._folders.package_of(path.rpartition("/")[0])
        if owner is not None and owner != label.package and path in self.owned_by(owner):
            name = path[len(owner) + 1 :] if owner else path
            return LabelError(f"{label} is in another package", hint=f"did you mean //{owner}:{name}?")
        near = suggest(label.name, [*package.targets, *self.files_of(label.package)])
        return LabelError(
            f"{label.package_label} has no target or file {label.name!r}",
            hint=near or _declared(package.targets, package.file or label.package_label),
        )

    def link(self, path: str) -> str:
        """Return what a symbolic link of the workspace leads to."""
        self._sources.known(path)
        return os.readlink(self._sources.absolute(path))

    def owned_by(self, package: str) -> frozenset[str]:
        prefix = f"{package}/" if package else ""
        return frozenset(prefix + name for name in self.files_of(package))

    def rule_set(self, name: str) -> Module:
        """Return the module ``@hermes//rules:NAME``."""
        return self._module(Label(RULES_REPO, "rules", name))

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of a file, such as a rule's implementation."""
        return self._interpreter.call(function, *args)

    def is_rule_file(self, location: SourceLocation) -> bool:
        """Tell whether a place is in Hermes' own rules."""
        return location.file.startswith(f"@{RULES_REPO}//")

    def argument_location(self, place: SourceLocation, name: str) -> SourceLocation:
        """Return where a call at ``place`` gives the argument ``name``, or ``place`` if it does not."""
        try:
            tree = ast.parse(self._sources_of.get(place.file, ""))
        except SyntaxError:
            return place
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and node.lineno == place.line
                and node.col_offset + 1 == place.column
            ):
                for keyword in node.keywords:
                    if keyword.arg == name:
                        text = self._texts[place.file][keyword.lineno - 1]
                        return SourceLocation(place.file, keyword.lineno, keyword.col_offset + 1, text)
        return place

    # Loading.

    def _load_package(self, name: str) -> Package:
        file = self._build_file(name)
        source, files = self._read(file)
        package = Package(name, file, files=files)
        outer, self._current = self._current, package
        label = Label("", name, os.path.basename(file))
        try:
            self._run(source, file, label, names=self._build_names(), loaded=package.loaded)
        except HermesError as error:
            package.errors.append(error)
        finally:
            self._current = outer
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
        taken = {*package.targets, *package.groups, *(self.files_of(package.name) if made else ())}
        for name, makers in made.items():
            if len(makers) > 1 or name in taken:
                continue
            with contextlib.suppress(LabelError):  # a name that a label cannot have
                package.targets[name] = self._generated(Label("", package.name, name), makers[0])

    def _generated(self, label: Label, maker: Target) -> Target:
        """Return the target that stands for one file of another target."""
        rule: Rule = self.rule_set("files.bzl").names[GENERATED_FILE]
        usual = {name: kind.initial() for name, kind in rule.attributes.items()}
        values = {**usual, "of": maker.label, "path": label.name}
        return Target(label, rule, values, maker.visibility, maker.location, (MANUAL,))

    def _build_file(self, package: str) -> str:
        if not self._folders.has_folder(package):
            raise LabelError(f"there is no package //{package}", hint=self._near_package(package))
        found = self._folders.listing(package).build_file
        if not found:
            owner = self._folders.package_of(package)
            raise LabelError(
                f"//{package} is not a package: it has no BUILD.hermes or BUILD file",
                hint=f"it belongs to //{owner}" if owner is not None else "make one",
            )
        return f"{package}/{found}" if package else found

    def _near_package(self, package: str) -> str | None:
        return suggest(package, self._folders.packages(""))

    def _build_names(self) -> Mapping[str, Any]:
        return {**self._workspace_names(), **self._build_functions}

    def _workspace_names(self) -> Mapping[str, Any]:
        if self._prelude is None:
            self._prelude = self._module(PRELUDE).names
        return {**self._language, **self._build_functions, **self._prelude}

    def _workspace_compiler(self) -> Compiler:
        if self._compiler is None:
            self._compiler = Compiler(self._store, self._workspace_names(), _ELSEWHERE)
        return self._compiler

    def _module(self, label: Label) -> Module:
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
                with self._failing_once(label):
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
            names: Mapping[str, Any] = {**self._language, **self._build_functions}
        elif label.repo:
            raise LabelError(f"there is no repository @{label.repo}", hint=f"known is @{RULES_REPO}")
        else:
            self._build_file(label.package)
            if label.name not in self.files_of(label.package):
                raise self._unknown_module(label)
            file = f"{label.package}/{label.name}" if label.package else label.name
            source, files = self._read(file)
            loaded.update(files)
            names = self._workspace_names()
        outer, self._current = self._current, None
        try:
            defined = self._run(source, file, label, names=names, loaded=loaded)
        finally:
            self._current = outer
        for name, value in defined.items():
            if type(value) in (Rule, Provider) and not value.name:
                value.name = name
                if type(value) is Provider:
                    self._providers[id(value)] = (str(label), name), value
        self._interpreter.mutability.freeze(defined.values(), file)
        names = {name: one for name, one in defined.items() if not name.startswith("_")}
        return Module(label, file, names, frozenset(loaded))

    def _unknown_module(self, label: Label) -> LabelError:
        files = [name for name in self.files_of(label.package) if name.endswith(".bzl")]
        there = f"its .bzl files are {', '.join(files)}" if files else "it has no .bzl files"
        return LabelError(
            f"{label.package_label} has no file {label.name!r}", hint=suggest(label.name, files) or there
        )

    def _run(
        self, source: bytes, file: str, label: Label, *, names: Mapping[str, Any], loaded: set[str]
    ) -> dict[str, Any]:
        """Run a file and return what it defines. The paths of the files that it loads are added to ``loaded``."""
        text = source.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        self._sources_of[file] = text
        self._texts[file] = text.split("\n")
        is_own = label.repo == RULES_REPO
        compiler = self._rules_compiler if is_own else self._workspace_compiler()
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
            located = self.locator.located(error, self.is_rule_file)
            if located is error:
                raise
            raise located from error

    def _loaded(self, text: str, location: SourceLocation, by: Label) -> Module:
        """Return the module that a file loads."""
        try:
            return self._module(Label.parse(text, relative_to=by.package, repo=by.repo))
        except HermesError as error:
            if error.location is None:
                error.location = location
            raise

    def _read(self, file: str) -> tuple[bytes, tuple[str, ...]]:
        """Return the content of a file, and the paths that decide what it is."""
        files = self._sources.follow(file)
        try:
            with open(self._sources.absolute(file), "rb") as opened:
                return opened.read(), files
        except OSError as error:
            raise SourceError(f"{file}: {error.strerror}") from error

    # What files call.

    def _here(self) -> Package:
        if self._current is None:
            raise EvalError("this can only be called while a BUILD file is being loaded")
        return self._current

    def _declare(self, rule: Rule, values: Mapping[str, Any]) -> None:
        package = self._here()
        place = self._call_site()
        if not rule.name:
            raise EvalError("a rule is called after the file that makes it was loaded")
        try:
            target = self._declared(package, rule, values, place)
        except BuildFileError as error:
            package.errors.append(error)
        else:
            package.targets[target.label.name] = target

    def _declared(self, package: Package, rule: Rule, values: Mapping[str, Any], place: CallSite) -> Target:
        name = values.get("name")
        if type(name) is not str:
            raise self._at_argument(place, "name", EvalError(f"{rule.name} needs a name that is a string"))
        try:
            label = Label("", package.name, name)
        except LabelError as error:
            raise self._at_argument(place, "name", error) from None
        if name in package.groups:
            raise self._at_argument(place, "name", EvalError(f"{label} is a package_group, too"))
        if name in package.targets:
            first = package.targets[name].location()
            raise self._at_argument(
                place, "name", EvalError(f"there are two targets {label}", f"the first is at {first}")
            )
        checked = self._checked(rule, label, values, place)
        visibility = package.default_visibility
        if values.get("visibility") is not None:
            try:
                visibility = Visibility.parse(checked["visibility"], package=package.name)
            except HermesError as error:
                raise self._at_argument(place, "visibility", error) from None
        words = checked["tags"] if rule.attributes["tags"] is COMMON["tags"] else ()
        return Target(label, rule, checked, visibility, place, words)

    def _checked(
        self, rule: Rule, label: Label, values: Mapping[str, Any], place: CallSite
    ) -> dict[str, Any]:
        problems: list[HermesError] = [
            self._at_argument(place, given, rule.unknown(given))
            for given in values
            if given not in rule.attributes
        ]

        def to_label(text: str) -> Label:
            return Label.parse(text, relative_to=label.package)

        checked = {}
        self._interpreter.budget.spend(_DECLARING + sum(map(_size_of, values.values())))
        for name, attribute in rule.attributes.items():
            try:
                if type(values.get(name)) is Select and (
                    rule is self._conditions or attribute is COMMON.get(name)
                ):
                    raise EvalError("cannot depend on a select()")
                checked[name] = attribute.checked(values.get(name), to_label)
            except EvalError as error:
                problem = EvalError(f"{label}: {rule.name}: {name} {error}", error.hint)
                problems.append(self._at_argument(place, name, problem))
            except LabelError as error:
                problem = EvalError(f"{label}: {rule.name}: {name}: {error.message}", error.hint)
                problems.append(self._at_argument(place, name, problem))
        if problems:
            raise together(problems)
        return checked

    def _at_argument(self, place: CallSite, name: str, error: EvalError | HermesError) -> BuildFileError:
        message = error.message if isinstance(error, HermesError) else str(error)
        kind = type(error) if isinstance(error, BuildFileError) else BuildFileError
        return kind(message, hint=error.hint, location=self.argument_location(place(), name))

    def _call_site(self) -> CallSite:
        """Return the innermost place in the user's own files."""
        frame = sys._getframe(1)  # noqa: SLF001 - how inspect does it
        while frame is not None:
            code = frame.f_code
            if code.co_filename in self._texts and not code.co_filename.startswith("@"):
                return CallSite(self.locator, code, frame.f_lasti)
            if frame.f_back is None:
                break
            frame = frame.f_back
        raise EvalError("this can only be called while a BUILD file is being loaded")

    def _label(self, text: Any) -> LabelValue:
        if type(text) is LabelValue:
            return text
        if type(text) is not str:
            raise EvalError(f"Label() takes a string, not {type_name(text)}")
        file = self._call_site().file
        return LabelValue(Label.parse(text, relative_to=os.path.dirname(file)))

    def _select(self, branches: Any, no_match_error: str = "") -> Select:
        package = self._current

        def resolve(text: str) -> Label | str:
            return Label.parse(text, relative_to=package.name) if package else text

        return make_select(branches, resolve, no_match_error)

    def _rule(
        self, implementation: Any, attrs: Any = None, doc: str = "", lock: Any = None, test: bool = False
    ) -> Rule:
        if type(implementation) is not Function:
            raise EvalError("rule() takes a function as its implementation")
        if lock is not None and type(lock) is not Function:
            raise EvalError("rule() takes a function as lock")
        attributes = {} if attrs is None else attrs
        if type(attributes) is not dict:
            raise EvalError("rule() takes a dict of attributes")
        for name, attribute in attributes.items():
            if type(attribute) is not Attribute:
                raise EvalError(f"the attribute {name!r} is made with attr, not {type_name(attribute)}")
            if (
                (name in COMMON and name != "tags")
                or (test and name in OF_TESTS)
                or name.startswith("_")
                or not name.isidentifier()
            ):
                raise EvalError(f"{name!r} cannot be the name of an attribute")
            if each := attribute.each_platform:
                listed = attributes.get(each)
                if type(listed) is not Attribute or listed.kind != "platform_list":
                    raise EvalError(
                        f"the attribute {name!r} needs an attribute {each!r} made with attr.platform_list"
                    )
        declare: Declare = self._declare
        return Rule(declare, implementation, attributes, doc, implementation.file, lock, is_test=bool(test))

    def _config_setting(self, **values: Any) -> None:
        self._conditions(**values)

    def _existing_rule(self, name: str) -> dict[str, Any] | None:
        check_strings("existing_rule", name)
        target = self._here().targets.get(name)
        if target is None:
            return None
        items = sum(len(one) for one in target.attributes.values() if type(one) in (tuple, dict))
        self._interpreter.budget.spend(_DECLARING + _CHECKING * items)
        shown = {key: _as_file_value(value) for key, value in target.attributes.items()}
        return {"kind": target.rule.name, **shown}

    def _glob(self, include: Any, exclude: Any = (), allow_empty: bool = False) -> list[str]:
        package = self._here()
        for one in (include, exclude):
            if type(one) not in (list, tuple) or not all(type(text) is str for text in one):
                raise EvalError("glob() takes lists of patterns", 'write glob(["*.txt"])')
        files = self.files_of(package.name)
        budget = self._interpreter.budget
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

    def _package_name(self) -> str:
        return self._here().name

    def _exports_files(self, srcs: Any, visibility: Any = None, licenses: Any = None) -> None:
        package = self._here()
        names = sequence("exports_files", srcs)
        for name in names:
            check_strings("exports_files", name)
            known = name.removeprefix(":")
            if known not in self.files_of(package.name):
                raise EvalError(
                    f"exports_files(): there is no file {show(name)} in //{package.name}",
                    suggest(known, self.files_of(package.name)),
                )
            package.exported[known] = self._parsed_visibility(visibility, Visibility(public=True))

    def _package_group(self, name: str, packages: Any = (), includes: Any = ()) -> None:
        package = self._here()
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
        return Visibility.parse(listed, package=self._here().name)

    def _package(self, default_visibility: Any = None) -> None:
        package = self._here()
        if package.targets:
            raise EvalError("package() comes before all targets")
        if default_visibility is not None:
            if type(default_visibility) not in (list, tuple) or not all(
                type(one) is str for one in default_visibility
            ):
                raise EvalError("default_visibility is a list of strings")
            package.default_visibility = Visibility.parse(default_visibility, package=package.name)


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


def _constants() -> dict[str, Any]:
    return {
        "DefaultInfo": DEFAULT_INFO,
        "ImageInfo": IMAGE_INFO,
        "IndexInfo": INDEX_INFO,
        "LayerInfo": LAYER_INFO,
        "PushInfo": PUSH_INFO,
        "TestInfo": TEST_INFO,
        "attr": attr_namespace(),
        "entry": entry_namespace(),
        **mount_functions({kind: partial(_plain, kind) for kind in ("mode", "owner", "path")}),
    }


def _size_of(value: Any) -> int:
    """Return the steps of checking what an attribute is given."""
    if type(value) is Select:
        return _CHECKING * value.dsl_size + sum(map(_size_of, value.possible()))
    return _CHECKING * len(value) if type(value) in (list, tuple, dict) else 0


def _plain(kind: str, value: Any) -> Any:
    """Return a value of a kind that has nothing to do with labels, checked."""
    return KINDS[kind].check(value, lambda text: Label("", "", text))


def _provider(doc: str = "", *, fields: Any = None) -> Provider:  # noqa: ARG001 - for readers of the file
    if fields is not None and not all(type(one) is str for one in sequence("provider", fields)):
        raise EvalError("provider() takes a list of names as fields")
    return Provider("", fields)


def _as_file_value(value: Any) -> Any:
    if type(value) is Label:
        return str(value)
    if type(value) is tuple:
        return [_as_file_value(one) for one in value]
    if type(value) is dict:
        return {key: _as_file_value(one) for key, one in value.items()}
    return value


def _declared(targets: Iterable[str], file: str) -> str:
    """Return a hint that names the targets of a file, or as many as fit into a line."""
    names = list(targets)
    if not names:
        return f"{file} declares no target"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{file} declares {', '.join(names[:_MOST_NAMED])}{more}"

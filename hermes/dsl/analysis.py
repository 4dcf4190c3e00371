"""Analysis: targets to actions, for one configuration, by calling the implementations of their rules."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol

from hermes.dsl.attributes import Attribute, labels_of
from hermes.dsl.configuration import Configuration
from hermes.dsl.context import Context, PlatformValue
from hermes.dsl.declarations import CONFIG_SETTING
from hermes.dsl.declaring import Actions
from hermes.dsl.dialect.values import Depset, EvalError, Struct, type_name
from hermes.dsl.mounts import Bind
from hermes.dsl.packages import Packages
from hermes.dsl.providers import DEFAULT_INFO, Dependency, File, Info, LabelValue, Link
from hermes.dsl.rule import Target
from hermes.dsl.selects import Branches, Select
from hermes.engine.action import ActionGraph, Source
from hermes.errors import (
    BuildError,
    BuildFileError,
    HermesError,
    LabelError,
    UndecidedError,
    VisibilityError,
    together,
)
from hermes.graph.label import Label
from hermes.graph.targets import Node, check_visibility, in_dependency_order
from hermes.image.platform import Platform
from hermes.layer.links import resolved
from hermes.workspace.listing import Folders


class Configured(NamedTuple):
    """A target for one platform."""

    label: Label
    platform: Platform


@dataclass(slots=True)
class _Decided:
    """A target whose selects are decided.

    ``files`` are those of its labels that name source files, and where those lead that are links.
    ``dependencies`` maps what it asks for to what it gets, which may say itself what platform it is for.
    """

    target: Target
    attributes: Mapping[str, Any]
    files: Mapping[Label, Link | None]
    dependencies: dict[Configured, Configured] = field(default_factory=dict)

    def platforms(self, name: str, own: Platform) -> list[Platform]:
        """Return the platforms that what an attribute names is wanted for: the target's own, or those it lists."""
        attribute = self.target.rule.attributes[name]
        if not attribute.each_platform:
            return [own]
        return [Platform.parse(one) for one in self.attributes[attribute.each_platform]] or [own]


@dataclass(slots=True)
class Trace:
    """What became of a target: the paths of files that were ``read`` for it, and the ids of its actions."""

    read: set[str] = field(default_factory=set)
    actions: list[str] = field(default_factory=list)


class Kept(Protocol):
    """Knows targets as an earlier analysis left them, which need not be analyzed again."""

    def declares(self, label: Label) -> bool:
        """Tell whether a label is known to name a target, whose package need not be loaded to see that."""
        ...

    def entered(self, asked: Configured) -> tuple[Configured, Node[Configured]] | None:
        """Return what a target that is asked for turns out to be, without dependencies; None if it is not kept."""
        ...

    def result(self, key: Configured) -> Dependency | None:
        """Return what a kept target provides; None where that can only be found by calling its rule."""
        ...


class Analysis:
    """The targets of one workspace in one configuration, and the actions they come to.

    ``read`` returns the content of a source file, and the paths that decide what it is. With ``kept`` only
    those targets are analyzed that it does not know.
    """

    def __init__(
        self,
        packages: Packages,
        folders: Folders,
        configuration: Configuration,
        read: Callable[[str], tuple[bytes, tuple[str, ...]]],
        kept: Kept | None = None,
    ) -> None:
        self.graph = ActionGraph()
        self.nodes: dict[Configured, Node[Configured]] = {}
        self._packages = packages
        self._folders = folders
        self._configuration = configuration
        self._read = read
        self._kept = kept
        self.traces: dict[Configured, Trace] = {}
        self._again: set[Configured] = set()
        self._decided: dict[Configured, _Decided] = {}
        self._platforms: dict[Configured, Configured] = {}
        self._results: dict[Configured, Dependency] = {}
        self._failures: dict[Configured, HermesError] = {}
        self._asked: set[str] = set()

    def analyze(self, labels: Sequence[Label]) -> list[Dependency]:
        """Return what each of the targets provides; their actions are then in `graph`.

        Raises `BuildFileError` with the places where a target is wrong. Others can be analyzed after that.
        """
        wanted = self.configure(labels)
        order = in_dependency_order(self.nodes, wanted, self._cycle_hint)
        check_visibility({key: self.nodes[key] for key in order})
        for key in order:
            self.result(key)
        return [self.result(key) for key in wanted]

    def result(self, key: Configured) -> Dependency:
        """Return what a target provides that has been configured."""
        found = self._results.get(key)
        if found is None:
            if key not in self._decided and self._kept is not None:
                found = self._kept.result(key)
            if found is None:
                self.reconfigure(key)
                if failure := self._failures.get(key):  # its actions must not be declared twice
                    raise failure
                try:
                    found = self._implement(key)
                except HermesError as error:
                    self._failures[key] = error
                    raise
            self._packages.freeze((found.files, *found.infos), str(key.label))
            self._results[key] = found
        return found

    def reconfigure(self, key: Configured) -> None:
        """Make sure that a target is decided here, whatever is kept of it."""
        if key not in self._decided:
            self._platforms.pop(key, None)
            self.nodes.pop(key, None)
            self._again.add(key)
            self._configure(key)

    def configured(self, asked: Configured) -> Configured:
        """Put a target and all that it needs into `nodes`, and return it for the platform that it says it is for."""
        return self._configure(asked)

    @property
    def decided(self) -> list[Configured]:
        """The targets that have been configured here, rather than kept."""
        return list(self._decided)

    @property
    def platforms(self) -> Mapping[Configured, Configured]:
        """What each target that was asked for turned out to be, for the platform that it says."""
        return self._platforms

    def asked_of(self, key: Configured) -> Mapping[Configured, Configured]:
        """Return what a target asks for, each with what it turned out to be."""
        return self._decided[key].dependencies

    def conditions_of(self, key: Configured) -> Iterator[Label]:
        """Yield the conditions that decided the attributes of a target."""
        return self._decided[key].target.conditions()

    def lock_request(self, label: Label) -> Struct | None:
        """Return what a target's rule asks to have resolved; None when there is nothing to lock."""
        key = self._enter(Configured(label, self._configuration.platform))
        target = self._decided[key].target
        if target.rule.lock is None:
            return None
        attributes = {name: _as_value(value) for name, value in self._decided[key].attributes.items()}
        platform = PlatformValue(self._configuration.on(key.platform))
        context = Struct({"attr": Struct(attributes), "label": LabelValue(label), "platform": platform})
        try:
            request = self._packages.call(target.rule.lock, context)
        except (EvalError, HermesError) as error:
            raise self._implementation_error(target, error) from error
        except Exception as error:
            raise self._packages.places.located(error) from error
        if request is None:
            return None
        if type(request) is not Struct:
            problem = EvalError(
                f"the lock function of {target.rule.name} returns {type_name(request)}, not a struct"
            )
            raise self._at(target, "", problem)
        return request

    @property
    def unused_values(self) -> list[str]:
        """The names given with ``--set`` that no condition asked for."""
        return [name for name, _ in self._configuration.values if name not in self._asked]

    # Which targets there are, and what they depend on.

    def configure(self, labels: Sequence[Label]) -> list[Configured]:
        """Put targets and all that they need into `nodes`."""
        return [self._configure(Configured(label, self._configuration.platform)) for label in labels]

    def _configure(self, wanted: Configured) -> Configured:
        found = self._enter(wanted)
        pending, made = [found], []
        try:
            while pending:
                key = pending.pop()
                if key not in self.nodes:
                    pending += self._depend(key)
                    made.append(key)
        except HermesError:
            for key in made:  # the nodes are those of which all dependencies are
                del self.nodes[key]
            raise
        return found

    def _depend(self, key: Configured) -> list[Configured]:
        """Put a target into `nodes`, and return what it depends on."""
        decided = self._decided[key]
        target = decided.target
        problems: list[HermesError] = []
        for attribute, asked in _asked(decided, key.platform):
            label = asked.label
            if label in decided.files or asked in decided.dependencies:
                continue
            try:
                decided.dependencies[asked] = self._enter(asked)
            except HermesError as error:
                if target.rule.lock is not None and label.package == target.label.package:
                    error.hint = f"if it is the lock, make it with `hermes lock {target.label}`"
                problems.append(self._at(target, attribute, error))
        if problems:
            raise together(problems)
        try:
            visibility = self._packages.visibility(target.visibility, self.traces[key].read)
        except HermesError as error:
            raise self._at(target, "visibility", error) from None
        below = list(dict.fromkeys(decided.dependencies.values()))
        self.nodes[key] = Node(target.label, target.rule.name, tuple(below), visibility, target.location)
        return below

    def _enter(self, key: Configured) -> Configured:
        """Decide a target's attributes, and return it with the platform that it says it is for."""
        if found := self._platforms.get(key):
            return found
        kept = self._kept.entered(key) if self._kept is not None else None
        if kept is not None and kept[0] not in self._again:
            final, self.nodes[final] = kept
            self._platforms[key] = self._platforms[final] = final
            return final
        target = self._packages.target(key.label)
        if target is None:
            raise self._packages.unknown(key.label)
        configuration = self._configuration.on(key.platform)
        final = key
        for name, attribute in target.rule.attributes.items():
            if attribute.kind != "platform" or target.rule.name == CONFIG_SETTING:
                continue
            if chosen := self._value(target, name, configuration):
                final = Configured(key.label, Platform.parse(chosen))
                configuration = self._configuration.on(final.platform)
        if final not in self._decided:
            attributes = self._values(target, configuration)
            trace = self.traces[final] = Trace()
            self._decided[final] = _Decided(target, attributes, self._sources(target, attributes, trace))
        self._platforms[key] = self._platforms[final] = final
        return final

    def _sources(
        self, target: Target, attributes: Mapping[str, Any], trace: Trace
    ) -> Mapping[Label, Link | None]:
        """Return those labels of a target that name files of its package, and where they lead that are links."""
        found: dict[Label, Link | None] = {}
        problems: list[HermesError] = []
        for name, attribute in target.rule.attributes.items():
            if not attribute.has_labels:
                continue
            for label in labels_of(attribute, attributes[name]):
                try:
                    if label.package != target.label.package or label.repo:
                        if self._is_exported(label, target, trace):
                            found[label] = self._link(label, trace)
                    elif self._packages.target(label) is None and label.name in self._packages.files.of(
                        label.package
                    ):
                        found[label] = self._link(label, trace)
                except HermesError as error:
                    problems.append(self._at(target, name, error))
        if problems:
            raise together(problems)
        return found

    def _is_exported(self, label: Label, target: Target, trace: Trace) -> bool:
        """Tell whether a label of another package is that of a file; raises `LabelError` for one that is not exported."""
        if label.repo:
            raise LabelError(f"{label} is not a target", hint="only targets of the workspace can be used")
        if self._kept is not None and self._kept.declares(label):
            return False
        try:
            known = self._packages.target(label) is not None
            is_file = not known and label.name in self._packages.files.of(label.package)
        except HermesError:
            return False  # met again with all other dependencies
        if not is_file:
            return False
        package = self._packages.package(label.package)
        exported = package.exported.get(label.name)
        if exported is None:
            raise LabelError(
                f"{label} is a file of another package",
                hint=f'write exports_files(["{label.name}"]) in {package.file}, or make a filegroup() there with a visibility',
            )
        trace.read.update(package.read)
        if not self._packages.visibility(exported, trace.read).allows(target.label.package):
            raise VisibilityError(
                f"{target.label} may not use {label}, which {package.file} exports to others",
                hint=f'add "{target.label.package_label}:__pkg__" to visibility of its exports_files()',
            )
        return True

    def _link(self, label: Label, trace: Trace) -> Link | None:
        """Return where a source file leads that is a link; raises `LabelError` when that is out of its package."""
        path = _path_of(label)
        if not self._folders.is_link(path):
            return None

        def link_at(inside: str) -> str | None:
            folder, _, name = inside.rpartition("/")
            if not self._folders.has_folder(folder) or name not in self._folders.listing(folder).links:
                return None
            trace.read.add(inside)
            return self._within(inside, label.package)

        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link_at(path) or ""))
        try:
            end = resolved(path, link_at)
        except BuildError:
            return Link("", problem="is a symbolic link that leads in a circle")
        if end in self._packages.files.owned_by(label.package):
            return Link(target, end)
        shown = f"/{end}".removeprefix(f"/{label.package}/" if label.package else "/")
        if self._folders.has_folder(end):
            return Link(target, problem=f"is a symbolic link that leads to the folder {shown or '.'}")
        return Link(
            target, problem=f"is a symbolic link that leads to {shown}, which is not a file of its package"
        )

    def _within(self, path: str, package: str) -> str:
        """Return the target of a link that must stay in a package; raises `LabelError`."""
        link = self._packages.files.link(path)
        below = path.removeprefix(f"{package}/") if package else path
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(below), link))
        if link.startswith("/") or inside == ".." or inside.startswith("../"):
            raise LabelError(
                f"{path} is a symbolic link that leads out of its package, to {link}",
                hint='use a file of the package, or make the link in the image: symlinks = {"/path": "target"}',
            )
        return link

    def _cycle_hint(self, cycle: Sequence[Configured]) -> str:
        """Say how to end a cycle: where a target has a file's name, the file was probably meant."""
        for key in cycle:
            label = key.label
            if label.name in self._packages.files.of(label.package):
                return f"{label} is the target, not the file {_path_of(label)}: rename one of them"
        return "remove one of these dependencies"

    # Selects.

    def _values(self, target: Target, configuration: Configuration) -> dict[str, Any]:
        """Return the attributes of a target, with its selects decided."""
        found: dict[str, Any] = {}
        problems: list[HermesError] = []
        for name in target.rule.attributes:
            try:
                found[name] = self._value(target, name, configuration)
            except HermesError as error:
                problems.append(error)
        if problems:
            raise together(problems)
        return found

    def _value(self, target: Target, name: str, configuration: Configuration) -> Any:
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
            raise self._at(target, name, error) from None

    def _choose(self, branches: Branches, target: Target, configuration: Configuration) -> Any:
        holding = []
        for label in branches.branches:
            platform, values = self._condition(label)
            self._asked.update(values)
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

    # Implementations.

    def _implement(self, key: Configured) -> Dependency:
        decided = self._decided[key]
        target = decided.target
        label = LabelValue(target.label)
        if target.rule.implementation is None:
            return Dependency(label, {}, [])
        attributes: dict[str, Any] = {}
        files: dict[str, list[File]] = {}
        problems: list[HermesError] = []
        for name, attribute in target.rule.attributes.items():
            value = decided.attributes[name]
            if attribute.has_labels:
                try:
                    value = self._resolved(key, name, attribute, value)
                except HermesError as error:
                    problems.append(error)
                    continue
                files[name] = [file for one in _dependencies(value) for file in one.files]
            attributes[name] = _as_value(value)
        if problems:
            raise together(problems)
        configuration = self._configuration.on(key.platform)
        suffix = "" if key.platform == self._configuration.platform else f"@{key.platform}"
        actions = Actions(target.label, self.graph, configuration, suffix)
        trace = self.traces[key]

        def read(path: str) -> bytes:
            content, paths = self._read(path)
            trace.read.update(paths)
            return content

        context = Context(target.label, attributes, files, actions, configuration, read)
        before = len(self.graph.actions)
        try:
            returned = self._packages.call(target.rule.implementation, context)
            infos = _infos(returned, target)
        except (EvalError, HermesError) as error:
            raise self._implementation_error(target, error) from error
        except Exception as error:
            raise self._packages.places.located(error) from error
        trace.actions = list(islice(reversed(self.graph.actions), len(self.graph.actions) - before))[::-1]
        default = infos.get(id(DEFAULT_INFO))
        return Dependency(label, infos, _default_files(default, target) if default else [])

    def _implementation_error(self, target: Target, error: EvalError | HermesError) -> HermesError:
        """Place an error in the user's file: the attribute to blame, or the target."""
        own = target.rule.file.startswith("@")
        attribute = getattr(error, "attribute", "")
        if own or attribute or (isinstance(error, EvalError) and error.__traceback__ is None):
            return self._at(target, attribute, error)
        located = self._packages.places.located(error)
        located.message = f"{target.label}: {located.message}\n  for the target at {target.location()}"
        return located

    def _resolved(self, key: Configured, name: str, attribute: Attribute, value: Any) -> Any:
        decided = self._decided[key]

        def on(label: Label, platform: Platform) -> Dependency:
            asked = Configured(label, platform)
            found = self._dependency(decided, asked)
            self._check_provides(decided, name, attribute, found, asked)
            return found

        def one(label: Label) -> Dependency:
            return on(label, key.platform)

        if attribute.each_platform:
            return [on(value, each) for each in decided.platforms(name, key.platform)] if value else []
        if value is None:
            return None
        if type(value) is Label:
            return one(value)
        if isinstance(value, Mapping):
            return {path: one(label) for path, label in value.items()}
        if attribute.kind == "mount_list":
            return [item.of(one(item.source)) if type(item) is Bind else item for item in value]
        return [one(label) for label in value]

    def _dependency(self, decided: _Decided, asked: Configured) -> Dependency:
        label = asked.label
        if label in decided.files:
            file = File(Source(_path_of(label)), label, label.name, decided.files[label])
            return Dependency(LabelValue(label), {id(DEFAULT_INFO): DEFAULT_INFO(files=[file])}, [file])
        return self.result(decided.dependencies[asked])

    def _check_provides(
        self, decided: _Decided, name: str, attribute: Attribute, found: Dependency, asked: Configured
    ) -> None:
        is_file = asked.label in decided.files
        if attribute.files and found.provides(DEFAULT_INFO) is not None:
            return
        if not is_file and any(
            all(found.dsl_contains(provider) for provider in alternative)
            for alternative in attribute.providers
        ):
            return
        if not attribute.providers and not attribute.files:
            return
        wanted = " or ".join(_kind_name(alternative) for alternative in attribute.providers)
        if attribute.files:
            wanted = f"{wanted} or files" if wanted else "files"
        rule = self._rule_name(decided, asked)
        problem = EvalError(f"takes {wanted}, and {found.label} is {rule}")
        raise self._at(decided.target, name, EvalError(f"{decided.target.label}: {name} {problem}"))

    def _rule_name(self, decided: _Decided, asked: Configured) -> str:
        key = decided.dependencies.get(asked)
        if key is None:
            return "a file"
        name = self.nodes[key].rule
        return f"an {name}" if name[0] in "aeiou" else f"a {name}"

    def _at(self, target: Target, attribute: str, error: EvalError | HermesError) -> HermesError:
        if isinstance(error, HermesError) and error.location is not None:
            return error
        place = target.location()
        if attribute:
            place = self._packages.places.argument_location(place, attribute)
        message = error.message if isinstance(error, HermesError) else str(error)
        kind = type(error) if isinstance(error, BuildFileError) else BuildFileError
        if str(target.label) not in message:
            message = f"{target.label}: {message}"
        return kind(message, hint=error.hint, location=place)


def _path_of(label: Label) -> str:
    return f"{label.package}/{label.name}" if label.package else label.name


def _asked(decided: _Decided, own: Platform) -> Iterator[tuple[str, Configured]]:
    """Yield what the attributes of a target name, each with the platform that it is wanted for."""
    for name, attribute in decided.target.rule.attributes.items():
        if attribute.has_labels:
            for label in labels_of(attribute, decided.attributes[name]):
                for platform in decided.platforms(name, own):
                    yield name, Configured(label, platform)


def _facts(platform: str, values: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    found = {("--set", f"{name}={value}") for name, value in values.items()}
    if platform:
        found.update((str(number), part) for number, part in enumerate(platform.split("/")))
    return frozenset(found)


def _dependencies(value: Any) -> Iterable[Dependency]:
    if value is None:
        return ()
    if type(value) is Dependency:
        return (value,)
    if isinstance(value, Mapping):
        return value.values()
    return [one.source if type(one) is Bind else one for one in value if type(one) in (Bind, Dependency)]


def _as_value(value: Any) -> Any:
    """Return an attribute's value as an implementation may hold it."""
    if type(value) is Label:
        return LabelValue(value)
    if type(value) is tuple or type(value) is list:
        return [LabelValue(one) if type(one) is Label else one for one in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value


def _infos(returned: Any, target: Target) -> dict[int, Info]:
    listed = [] if returned is None else [returned] if type(returned) is Info else returned
    if type(listed) not in (list, tuple) or not all(type(one) is Info for one in listed):
        raise EvalError(
            f"the implementation of {target.rule.name} returns {type_name(returned)}",
            "return a list of what providers give",
        )
    infos: dict[int, Info] = {}
    for one in listed:
        if id(one.provider) in infos:
            raise EvalError(f"the implementation of {target.rule.name} returns {one.provider.name} twice")
        infos[id(one.provider)] = one
    return infos


def _default_files(default: Info, target: Target) -> list[File]:
    files = default.fields["files"]
    if type(files) is Depset:
        files = files.to_list()
    if files is None:
        return []
    if type(files) not in (list, tuple) or not all(type(one) is File for one in files):
        raise BuildFileError(
            f"{target.label}: DefaultInfo of {target.rule.name} has files that are no list of files",
            location=target.location(),
        )
    return list(files)


def _kind_name(alternative: Sequence[Any]) -> str:
    names = {"LayerInfo": "layers", "ImageInfo": "images", "IndexInfo": "indexes"}
    return " with ".join(names.get(one.name, f"targets with {one.name}") for one in alternative)

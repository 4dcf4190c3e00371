"""Calling the implementation of a rule for a target: what it is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from hermes.dsl.actions.actions import Actions
from hermes.dsl.attributes import Attribute
from hermes.dsl.blame import Blame
from hermes.dsl.configuration import Configuration
from hermes.dsl.configured import Configured, Decided, Trace, path_of
from hermes.dsl.context import Context
from hermes.dsl.dialect.values import Depset, EvalError, described
from hermes.dsl.mounts import Bind
from hermes.dsl.packages import Packages
from hermes.dsl.providers import DEFAULT_INFO, Dependency, File, Info, LabelValue
from hermes.dsl.rule import Target
from hermes.engine.action import ActionGraph, Source
from hermes.errors import BuildFileError, HermesError, together
from hermes.graph.label import Label
from hermes.image.platform import Platform


class Implementing:
    """Calls rules; their actions get into ``graph``.

    ``read`` returns the content of a source file, and the paths that decide what it is. ``result`` returns what another
    target provides, ``rule_of`` the name of its rule.
    """

    def __init__(
        self,
        packages: Packages,
        configuration: Configuration,
        graph: ActionGraph,
        blame: Blame,
        read: Callable[[str], tuple[bytes, tuple[str, ...]]],
        result: Callable[[Configured], Dependency],
        rule_of: Callable[[Configured], str],
    ) -> None:
        self._packages = packages
        self._configuration = configuration
        self._graph = graph
        self._blame = blame
        self._read = read
        self._result = result
        self._rule_of = rule_of

    def call(self, key: Configured, decided: Decided, trace: Trace) -> Dependency:
        """Return what a target provides; the ids of its actions get into ``trace``."""
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
                    value = self._resolved(key, decided, name, attribute, value)
                except HermesError as error:
                    problems.append(error)
                    continue
                files[name] = [file for one in _dependencies(value) for file in one.files]
            attributes[name] = as_value(value)
        if problems:
            raise together(problems)
        configuration = self._configuration.on(key.platform)
        suffix = "" if key.platform == self._configuration.platform else f"@{key.platform}"
        actions = Actions(target.label, self._graph, configuration, suffix)

        def read(path: str) -> bytes:
            content, paths = self._read(path)
            trace.read.update(paths)
            return content

        context = Context(target.label, attributes, files, actions, configuration, read)
        before = len(self._graph.actions)
        try:
            returned = self._packages.call(target.rule.implementation, context)
            infos = _infos(returned, target)
        except (EvalError, HermesError) as error:
            raise self._blame.implementation(target, error) from error
        except Exception as error:
            raise self._packages.places.located(error) from error
        trace.actions = list(islice(reversed(self._graph.actions), len(self._graph.actions) - before))[::-1]
        default = infos.get(id(DEFAULT_INFO))
        return Dependency(label, infos, _default_files(default, target) if default else [])

    def _resolved(
        self, key: Configured, decided: Decided, name: str, attribute: Attribute, value: Any
    ) -> Any:
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

    def _dependency(self, decided: Decided, asked: Configured) -> Dependency:
        label = asked.label
        if label in decided.files:
            file = File(Source(path_of(label)), label, label.name, decided.files[label])
            return Dependency(LabelValue(label), {id(DEFAULT_INFO): DEFAULT_INFO(files=[file])}, [file])
        return self._result(decided.dependencies[asked])

    def _check_provides(
        self, decided: Decided, name: str, attribute: Attribute, found: Dependency, asked: Configured
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
        raise self._blame.at(decided.target, name, EvalError(f"{decided.target.label}: {name} {problem}"))

    def _rule_name(self, decided: Decided, asked: Configured) -> str:
        key = decided.dependencies.get(asked)
        if key is None:
            return "a file"
        name = self._rule_of(key)
        return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _dependencies(value: Any) -> Iterable[Dependency]:
    if value is None:
        return ()
    if type(value) is Dependency:
        return (value,)
    if isinstance(value, Mapping):
        return value.values()
    return [one.source if type(one) is Bind else one for one in value if type(one) in (Bind, Dependency)]


def as_value(value: Any) -> Any:
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
            f"the implementation of {target.rule.name} returns {described(returned)}",
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

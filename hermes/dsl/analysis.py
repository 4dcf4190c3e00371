"""Analysis: targets to actions, for one configuration, by calling the implementations of their rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from hermes.dsl.blame import Blame
from hermes.dsl.configuration import Configuration
from hermes.dsl.configured import Configured, Decided, Trace, path_of
from hermes.dsl.context import PlatformValue
from hermes.dsl.declarations import CONFIG_SETTING
from hermes.dsl.dialect.values import EvalError, Struct, described
from hermes.dsl.implementing import Implementing, as_value
from hermes.dsl.packages import Packages
from hermes.dsl.parameters import check_lock
from hermes.dsl.providers import Dependency, LabelValue
from hermes.dsl.selecting import Selecting
from hermes.dsl.source_labels import SourceLabels
from hermes.engine.action import ActionGraph
from hermes.errors import HermesError, together
from hermes.graph.label import Label
from hermes.graph.targets import Node, check_visibility, in_dependency_order
from hermes.image.platform import Platform
from hermes.workspace.listing import Folders


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
        self._configuration = configuration
        self._kept = kept
        self.traces: dict[Configured, Trace] = {}
        self._again: set[Configured] = set()
        self._decided: dict[Configured, Decided] = {}
        self._platforms: dict[Configured, Configured] = {}
        self._results: dict[Configured, Dependency] = {}
        self._failures: dict[Configured, HermesError] = {}
        self._blame = Blame(packages.places)
        self._selecting = Selecting(packages, self._blame)
        self._sources = SourceLabels(packages, folders, self._blame, self._is_kept)
        self._implementing = Implementing(
            packages, configuration, self.graph, self._blame, read, self.result, self._rule_of
        )

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
                    found = self._implementing.call(key, self._decided[key], self.traces[key])
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
        """The targets that have been configured here, with all that they need, rather than kept."""
        return [key for key in self._decided if key in self.nodes]

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
        attributes = {name: as_value(value) for name, value in self._decided[key].attributes.items()}
        platform = PlatformValue(self._configuration.on(key.platform))
        context = Struct({"attr": Struct(attributes), "label": LabelValue(label), "platform": platform})
        try:
            request = self._packages.call(target.rule.lock, context)
        except (EvalError, HermesError) as error:
            raise self._blame.implementation(target, error) from error
        except Exception as error:
            raise self._packages.places.located(error) from error
        if request is None:
            return None
        if type(request) is not Struct:
            problem = EvalError(
                f"the lock function of {target.rule.name} returns {described(request)}, not a struct"
            )
            raise self._blame.at(target, "", problem)
        try:
            check_lock(request)
        except EvalError as error:
            raise self._blame.at(target, "", error) from None
        return request

    @property
    def unused_values(self) -> list[str]:
        """The names given with ``--set`` that no condition asked for."""
        return [name for name, _ in self._configuration.values if name not in self._selecting.asked]

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
        for attribute, asked in decided.asked(key.platform):
            label = asked.label
            if label in decided.files or asked in decided.dependencies:
                continue
            try:
                decided.dependencies[asked] = self._enter(asked)
            except HermesError as error:
                if target.rule.lock is not None and label.package == target.label.package:
                    error.hint = f"if it is the lock, make it with `hermes lock {target.label}`"
                problems.append(self._blame.at(target, attribute, error))
        if problems:
            raise together(problems)
        try:
            visibility = self._packages.visibility(target.visibility, self.traces[key].read)
        except HermesError as error:
            raise self._blame.at(target, "visibility", error) from None
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
            if chosen := self._selecting.value(target, name, configuration):
                final = Configured(key.label, Platform.parse(chosen))
                configuration = self._configuration.on(final.platform)
        if final not in self._decided:
            attributes = self._selecting.all_of(target, configuration)
            trace = self.traces[final] = Trace()
            self._decided[final] = Decided(target, attributes, self._sources.of(target, attributes, trace))
        self._platforms[key] = self._platforms[final] = final
        return final

    def _is_kept(self, label: Label) -> bool:
        return self._kept is not None and self._kept.declares(label)

    def _rule_of(self, key: Configured) -> str:
        return self.nodes[key].rule

    def _cycle_hint(self, cycle: Sequence[Configured]) -> str:
        """Say how to end a cycle: where a target has a file's name, the file was probably meant."""
        for key in cycle:
            label = key.label
            if label.name in self._packages.files.of(label.package):
                return f"{label} is the target, not the file {path_of(label)}: rename one of them"
        return "remove one of these dependencies"

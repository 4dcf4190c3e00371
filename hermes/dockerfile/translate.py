"""A Dockerfile -> actions.

Only the stages that the target needs are looked at. What instructions say of the image is computed here; what they do
to its files becomes actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from hermes.actions.specs.spec import Ref
from hermes.actions.specs.squash import Squash
from hermes.dockerfile.builder import Builder
from hermes.dockerfile.checks import findings
from hermes.dockerfile.composing import composed
from hermes.dockerfile.context import Context
from hermes.dockerfile.copies import Layers
from hermes.dockerfile.findings import Directive, Finding
from hermes.dockerfile.from_checks import Arguments, from_findings
from hermes.dockerfile.lines import Line
from hermes.dockerfile.options import EPOCH, Options
from hermes.dockerfile.origins import Origins, context_name
from hermes.dockerfile.parse import Dockerfile, parse_trigger
from hermes.dockerfile.scope import Scope, platform_arguments
from hermes.dockerfile.source import Span
from hermes.dockerfile.squash_stage import joined
from hermes.dockerfile.stages import Stage, Stages, names_in, references, split_stages
from hermes.dockerfile.state import StackLayer, State, starting
from hermes.dockerfile.translation_context import TranslationContext
from hermes.engine.action import ActionGraph, Output
from hermes.errors import DockerfileError, HermesError, UsageError
from hermes.image.config import timestamp
from hermes.image.platform import Platform
from hermes.outbound import PROXIES
from hermes.sandbox.process import DEFAULT_PATH

SCRATCH: Final = "scratch"


@dataclass(frozen=True, slots=True)
class Translation:
    """``manifest`` is the output that is the image. ``spans`` says which lines the owner of an action is.

    ``findings`` are in the order of their lines. ``fresh`` are the ids of the actions of stages that are to be executed again,
    and ``not_stages`` those names of such that no stage has.
    """

    graph: ActionGraph
    manifest: Output
    spans: Mapping[str, Span]
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    fresh: frozenset[str] = frozenset()
    not_stages: tuple[str, ...] = ()


def translate(dockerfile: Dockerfile, context: Context, origins: Origins, options: Options) -> Translation:
    """Return the actions of a Dockerfile; raises `DockerfileError`."""
    return _Translator(dockerfile, context, origins, options).translate()


def check(
    dockerfile: Dockerfile, context: Context, origins: Origins, options: Options
) -> tuple[list[Finding], DockerfileError | None]:
    """Return what is better done otherwise in all stages, or those that a target needs, and the error that a build would end with."""
    return _Translator(dockerfile, context, origins, options).check()


def scratch(platform: Platform) -> dict[str, Any]:
    """Return the configuration that ``FROM scratch`` begins with."""
    document: dict[str, Any] = {
        "architecture": platform.architecture,
        "config": {"Env": [f"PATH={DEFAULT_PATH}"], "WorkingDir": "/"},
        "os": platform.os,
    }
    if platform.variant:
        document["variant"] = platform.variant
    return document


class _Translator:
    def __init__(self, dockerfile: Dockerfile, context: Context, origins: Origins, options: Options) -> None:
        self._file = dockerfile
        self._context = context
        self._origins = origins
        self._options = options
        self._stages: Stages = split_stages(dockerfile, origins.given)
        self._common = TranslationContext(dockerfile, options, origins)
        self._recorder = self._common.recorder
        self._built: dict[int, State] = {}
        self._named: set[str] = set()
        self._errors: list[DockerfileError] = []
        self._outer = self._global_arguments(options.arguments)

    def translate(self) -> Translation:
        stage = self._target()
        for one in self._needed(stage):
            state = self._state(one)
        for name, value in self._options.labels.items():
            state.config["Labels"] = {**(state.config.get("Labels") or {}), name: value}
        manifest = self._image(state, stage.start.span)
        unused = self._options.arguments.keys() - self._common.used - {*PROXIES, EPOCH} - self._options.shared
        for name in sorted(one for one in unused if not one.startswith("BUILDKIT_")):
            self._common.warnings[f"{self._file.text.name}: no ARG names the build argument {name}"] = None
        used = {*self._named, *map(context_name, self._written()), *self._options.shared}
        for name in sorted(set(self._origins.given) - used):
            self._common.warnings[f"{self._file.text.name}: no FROM or --from names the context {name}"] = (
                None
            )
        found = self._findings()
        fresh, not_stages = self._fresh()
        return Translation(
            self._recorder.graph,
            manifest,
            self._recorder.spans,
            tuple(self._common.warnings),
            tuple(found),
            fresh,
            not_stages,
        )

    def _fresh(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return the ids of the actions of stages that are to be executed again, and the names that no stage has."""
        spans: set[Span] = set()
        unknown = []
        for name in self._options.fresh_stages:
            stage = self._stages.find(name, len(self._stages.stages))
            if stage is None:
                unknown.append(name)
            else:
                spans.update((stage.start.span, *(one.span for one in stage.instructions)))
        owners = {owner for owner, span in self._recorder.spans.items() if span in spans}
        ids = (one.id for one in self._recorder.graph.actions.values() if one.owner in owners)
        return frozenset(ids), tuple(unknown)

    def check(self) -> tuple[list[Finding], DockerfileError | None]:
        """See the function of this name."""
        self._common.only_checks = True
        needed = self._needed(self._target())
        found: DockerfileError | None = None
        for one in needed if self._options.target else self._stages.stages:
            before = len(self._errors)
            self._state(one)
            if one in needed and len(self._errors) > before:
                found = found or self._errors[before]
        wanted = Directive.of(self._file).wants
        unpinned = filter(wanted, dict.fromkeys(self._common.unpinned))
        return sorted([*self._findings(), *unpinned], key=lambda one: (one.span, one.rule)), found

    def _findings(self) -> list[Finding]:
        default = None
        with suppress(DockerfileError):
            default = self._global_arguments({})
        names = {one.name for arg in self._stages.arguments for one in arg.arguments}
        of_from = from_findings(
            self._stages.stages, Arguments(self._outer, default, names), self._file.escape
        )
        wanted = Directive.of(self._file).wants
        of_values = filter(wanted, dict.fromkeys((*of_from, *self._common.findings)))
        return sorted([*findings(self._file), *of_values], key=lambda one: (one.span, one.rule))

    # Stages.

    def _written(self) -> Iterator[str]:
        """Yield the names in all stages, also those that are not needed, with their variables."""
        return (name for stage in self._stages.stages for name in (stage.name, *names_in(stage)))

    def _global_arguments(self, given: Mapping[str, str]) -> dict[str, str]:
        found = platform_arguments(self._options)
        found.update({name: value for name, value in self._options.arguments.items() if name in found})
        for arg in self._stages.arguments:
            for one in arg.arguments:
                with self._common.at(arg.span):
                    name = self._common.word(one.name, found)
                    self._common.used.add(name)
                    if name in given:
                        found[name] = given[name]
                    elif one.default is not None:
                        found[name] = self._common.word(one.default, found)
        return found

    def _target(self) -> Stage:
        name = self._options.target
        if not name:
            return self._stages.stages[-1]
        found = self._stages.find(name, len(self._stages.stages))
        if found is None:
            known = ", ".join(one.shown for one in self._stages.stages)
            raise UsageError(
                f"{self._file.text.name} has no stage {name!r}",
                hint=self._stages.near(name) or f"its stages are {known}",
            )
        return found

    def _needed(self, last: Stage) -> list[Stage]:
        """Return a stage and those that it names, itself or through others, in their order: a long chain is not nested."""
        found: dict[int, Stage] = {}
        pending = [last]
        while pending:
            stage = pending.pop()
            if stage.number not in found:
                found[stage.number] = stage
                pending += references(self._stages, stage)
        return [found[number] for number in sorted(found)]

    def _state(self, stage: Stage) -> State:
        """Return what a stage comes to."""
        found = self._built.get(stage.number)
        if found is None:
            state = self._begun(stage)
            before = self._common.is_base_known
            builder = Builder(self._common, state, partial(self._source, stage))
            triggers = list(state.config.pop("OnBuild", None) or ())
            for trigger in triggers:
                line = Line("FROM", (), "", stage.start.original, stage.start.span)
                builder.apply(parse_trigger(trigger, self._file.text, line))
            for one in stage.instructions:
                self._common.is_base_known = state.is_base_known
                try:
                    builder.apply(one)
                except HermesError as error:
                    self._record(error, one.span)
            self._common.is_base_known = before
            for name, value in self._options.env.items():
                state.set_env(name, value)
            state.unset_env(self._options.unset_env)
            found = self._built[stage.number] = state
        return found

    def _begun(self, stage: Stage) -> State:
        """Return what a stage begins with; in a check, where that cannot be found, with nothing."""
        try:
            return self._start(stage)
        except HermesError as error:
            self._record(error, stage.start.span)
        scope = Scope(self._options.arguments, self._outer)
        state = starting(scratch(self._options.platform), scope, self._options.epoch)
        state.is_base_known = False
        return state

    def _record(self, error: HermesError, span: Span) -> None:
        """In a check, record an error, so that what does not depend on it is looked at all the same; else raise it."""
        if not self._common.only_checks:
            raise error
        if not isinstance(error, DockerfileError):
            error = self._file.text.error(error.message, span, error.hint)
        self._errors.append(error)

    def _start(self, stage: Stage) -> State:
        start = stage.start
        with self._common.at(start.span):
            name = self._common.word(start.image, self._outer)
            if not name:
                raise DockerfileError(
                    f"{start.image} is empty after expansion",
                    hint="give the ARG a default, or --build-arg NAME=VALUE",
                )
            platform = self._options.platform
            if start.platform and (text := self._common.word(start.platform, self._outer)):
                platform = Platform.parse(text)
            self._check_variables(start.image, name)
            self._named.add(context_name(name))
            scope = Scope(self._options.arguments, self._outer)
            earlier = self._stages.earlier(name, stage) if not name.isdigit() else None
            if earlier is not None:
                state = self._state(earlier)
                return state.following(state.scope.copy())
            if name == SCRATCH:
                return starting(scratch(platform), scope, self._options.epoch)
            if self._origins.context(name) is not None:
                raise DockerfileError(
                    f"the context {name} is a folder, not an image",
                    hint=f"take files from it: COPY --from={name}",
                )
            try:
                base = self._origins.image(name, platform)
            except UsageError as error:
                later = self._stages.find(name, len(self._stages.stages))
                hint = (
                    f"the stage {name} comes later: a stage is built on those before it"
                    if later
                    else error.hint
                )
                raise DockerfileError(error.message, hint=hint) from None
            state = starting(base.document, scope, self._options.epoch)
            state.layers = [
                StackLayer(self._recorder.given(one.diff_id, start.span), base.name, start.span, one)
                for one in base.layers
            ]
            state.base_layers = len(base.layers)
            return state

    def _check_variables(self, written: str, name: str) -> None:
        """Raise `DockerfileError` for the name of a base that is invalid because of variables without a value."""
        from hermes.image.reference import Reference

        _, unset = self._common.word_and_unset(written, self._outer)
        if not unset or not (name.endswith((":", "/", "@")) or name.startswith((":", "/"))):
            return
        try:
            Reference.parse(name)
        except UsageError as error:
            names = " and ".join(f"${one}" for one in unset)
            raise DockerfileError(
                f"{error.message}: {names} has no value here",
                hint=f"give it one: --build-arg {unset[0]}=VALUE, or ARG {unset[0]}=VALUE before the first FROM",
            ) from None

    def _source(self, stage: Stage, name: str) -> Layers | Context:
        """Return what ``from`` names in a stage; an empty name is the build's own context."""
        if not name:
            return self._context
        self._named.add(context_name(name))
        earlier = self._stages.earlier(name, stage)
        if earlier is not None:
            return Layers(self._state(earlier).roots(), f"the stage {earlier.shown}")
        if (context := self._origins.context(name)) is not None:
            return context
        if name.lower() in (stage.name, str(stage.number)):
            raise DockerfileError("a stage cannot copy from itself")
        if name.isdigit():
            raise DockerfileError(f"there is no stage {name} before this one")
        try:
            base = self._origins.image(name, self._options.platform)
        except UsageError as error:
            hint = self._stages.near(name) or error.hint
            if self._stages.find(name, len(self._stages.stages)):
                hint = f"the stage {name} comes later: move it before this one"
            raise DockerfileError(error.message, hint=hint) from None
        given = [self._recorder.given(one.diff_id, self._common.span) for one in base.layers]
        return Layers(tuple(Ref(one, base.name) for one in given), base.name)

    # The image.

    def _image(self, state: State, span: Span) -> Output:
        options, recorder = self._options, self._recorder
        layers, history, base_layers = state.layers, state.history, state.base_layers
        if options.squash and layers:
            squashed = recorder.layer(Squash(mtime=options.epoch, roots=state.roots()), span)
            layers, base_layers = [StackLayer(squashed, "squash", span)], 0
            rows = [row for row in history if not row.get("empty_layer")]
            history = [{"created": timestamp(options.epoch), "created_by": f"squashed {len(rows)} layers"}]
        elif not options.layers:
            layers, history = joined(state, recorder)
        return composed(
            recorder.add, layers, state.document, history, options, base_layers=base_layers, span=span
        )

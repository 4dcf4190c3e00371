"""What is asked of a build -> its actions.

The source, scripts and artifacts of the last build are layers on the builder, in which ``assemble`` runs; all of that
becomes one layer of the image. With a runtime image some of its files go there, and ``assemble-runtime`` runs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hermes.actions.specs.copy import Copy
from hermes.actions.specs.image_labels import ImageLabels
from hermes.actions.specs.list_files import ListFiles
from hermes.actions.specs.resolve_destination import ResolveDestination
from hermes.actions.specs.run import Run
from hermes.actions.specs.script import FindScripts, Program, SaveArtifacts
from hermes.actions.specs.spec import Ref
from hermes.dockerfile.composing import composed
from hermes.dockerfile.origins import BaseImage
from hermes.dockerfile.scope import Scope
from hermes.dockerfile.state import StackLayer, State, starting
from hermes.engine.action import ActionGraph, Output
from hermes.errors import UsageError
from hermes.s2i.artifacts import Mapped, mappings
from hermes.s2i.asked import Asked, Chosen, chosen, files_in, injected
from hermes.s2i.facts import INPUT_FILES, Facts
from hermes.s2i.scripts import ASSEMBLE, ASSEMBLE_RUNTIME, RUN, SAVE_ARTIFACTS, Script
from hermes.s2i.steps import NOWHERE, Steps, refs
from hermes.s2i.users import check_users

METADATA: Final = "tmp/.s2i/image_metadata.json"
"""Where ``assemble`` writes labels of the image; see docs/new_labels.md of s2i."""
_PLAIN_MODES: Final = "u=rwX,go=rX"


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions; ``manifest`` is the output that is the image."""

    graph: ActionGraph
    manifest: Output


def plan(asked: Asked, warn: Callable[[str], None]) -> Plan:
    """Return the actions of a build; raises `UsageError`."""
    return _Planner(asked, warn).plan()


class _Planner:
    def __init__(self, asked: Asked, warn: Callable[[str], None]) -> None:
        options = asked.options
        self._asked = asked
        self._warn = warn
        self._steps = Steps(options.platform, options.epoch)
        self._builder = Facts(asked.builder.name, asked.builder.document.get("config") or {})
        check_users(self._builder, asked.allowed, asked.assemble_user)
        self._env: dict[str, str] = {}

    def plan(self) -> Plan:
        asked = self._asked
        if self._builder.triggers and asked.runtime is None:
            return self._triggered()
        below = self._steps.base(asked.builder, "builder")
        layer, found = self._assembled(below)
        if asked.runtime is None:
            return self._image(asked.builder, below, layer, found.path(found.scripts[RUN]), ASSEMBLE)
        return self._extended(asked.runtime, [*below, layer])

    def _triggered(self) -> Plan:
        """Return the image of a builder with ONBUILD instructions, which do what ``assemble`` does elsewhere."""
        from hermes.s2i.triggers import triggered

        asked = self._asked
        scripts = asked.scripts(self._builder)
        used = [found for name in (ASSEMBLE, RUN) if (found := scripts.find(name)) and found.artifact]
        source = asked.files(used)
        made = triggered(
            asked.builder,
            source,
            {one.name: one.artifact for one in used if one.artifact is not None},
            asked.variables(source, self._warn),
            asked.image_labels(self._builder.name),
            asked.options,
            asked.origins,
        )
        for warning in made.warnings:
            self._warn(warning)
        return Plan(made.graph, made.manifest)

    # In the builder.

    def _assembled(self, below: Sequence[StackLayer]) -> tuple[StackLayer, Chosen]:
        """Return the layer on the builder: what is put there for ``assemble``, and what that did."""
        asked, steps = self._asked, self._steps
        found = chosen(asked, self._builder, self._warn)
        self._env = dict(found.environment)
        own: list[StackLayer] = []
        if put := {one.name: one.artifact for one in found.put if one.artifact is not None}:
            own.append(steps.programs(put, f"{found.destination}/scripts", found.owner, below, "scripts"))
        dest = f"{found.destination}/src"
        own.append(steps.files(found.source, dest, found.owner, below, "source"))
        if asked.previous is not None and SAVE_ARTIFACTS in found.scripts:
            own.append(self._saved(asked.previous, found))
        mounts: dict[str, bool] = {}
        sources: list[Ref] = []
        injections = injected(asked, self._builder)
        for folder, files in injections:
            for path in files_in(files):
                target = posixpath.join(folder, path)
                mounts[target] = True
                sources.append(Ref(files.artifact(path), target))
        needed = [one for name, one in found.scripts.items() if name != SAVE_ARTIFACTS]
        command = self._command(
            self._builder,
            found.path(found.scripts[ASSEMBLE]),
            found.user,
            below,
            begun=refs(own),
            after=self._found(self._builder, needed, below, [folder for folder, _ in injections]),
            mounts=mounts,
            sources=tuple(sources),
        )
        return steps.layer(command, ASSEMBLE, ASSEMBLE), found

    def _found(
        self,
        image: Facts,
        scripts: Sequence[Script],
        below: Sequence[StackLayer],
        folders: Sequence[str] = (),
    ) -> Ref | None:
        """Return what a command has to wait for that needs scripts and folders of its image."""
        programs = tuple(_program(one) for one in scripts if one.artifact is None)
        if not programs and not folders:
            return None
        find = FindScripts(image=image.name, programs=programs, folders=tuple(folders), roots=refs(below))
        return Ref(Output(self._steps.add(find, "scripts"), "found"))

    def _saved(self, previous: BaseImage, found: Chosen) -> StackLayer:
        """Return the layer of what ``save-artifacts`` prints in the image of the last build."""
        steps, save = self._steps, found.scripts[SAVE_ARTIFACTS]
        facts = Facts(previous.name, previous.document.get("config") or {})
        stack = steps.base(previous, SAVE_ARTIFACTS)
        if save.artifact is not None:
            put = {save.name: save.artifact}
            folder = f"{found.destination}/scripts"
            stack.append(steps.programs(put, folder, found.owner, stack, SAVE_ARTIFACTS))
        user = self._asked.assemble_user or facts.user
        run = self._command(facts, found.path(save), user, stack, with_env=False, layer=False)
        command = SaveArtifacts(
            **run.__dict__,
            dest=f"{found.destination}/artifacts",
            image=facts.name,
            programs=(_program(save),) if save.artifact is None else (),
        )
        return steps.layer(command, SAVE_ARTIFACTS, SAVE_ARTIFACTS)

    def _command(
        self,
        image: Facts,
        path: str,
        user: str,
        stack: Sequence[StackLayer],
        *,
        with_env: bool = True,
        **more: Any,
    ) -> Run[Ref]:
        """Return what runs a script as its image says; see `hermes.actions.specs.run` for the rest."""
        options = self._asked.options
        return Run(
            argv=(path,),
            cwd=image.workdir,
            env={**image.env, **(self._env if with_env else {})},
            literal_env=True,
            mtime=options.epoch,
            network=options.network != "none",
            host_network=options.network == "host",
            user=user,
            own_tmp=True,
            volumes=options.volumes,
            hosts=options.hosts,
            capabilities=options.capabilities,
            roots=refs(stack),
            **more,
        )

    # In the runtime image.

    def _extended(self, runtime: BaseImage, built: Sequence[StackLayer]) -> Plan:
        asked, steps = self._asked, self._steps
        facts = Facts(runtime.name, runtime.document.get("config") or {})
        check_users(facts, asked.allowed)
        assemble = asked.scripts(facts).required(ASSEMBLE_RUNTIME)
        run = asked.scripts(facts, self._builder).required(RUN)
        below = steps.base(runtime, "runtime image")
        own = [self._taken(one, facts, [*built], below) for one in self._artifacts(facts)]
        folder = posixpath.join(facts.workdir, "scripts")
        put = {one.name: one.artifact for one in (assemble, run) if one.artifact is not None}
        paths = {one.name: one.path or posixpath.join(folder, one.name) for one in (assemble, run)}
        if put:
            own.append(steps.programs(put, folder, "", below, "runtime scripts"))
        user = asked.assemble_runtime_user or facts.assemble_runtime_user
        after = self._found(facts, (assemble, run), below)
        command = self._command(facts, paths[ASSEMBLE_RUNTIME], user, below, begun=refs(own), after=after)
        layer = steps.layer(command, ASSEMBLE_RUNTIME, ASSEMBLE_RUNTIME)
        return self._image(runtime, below, layer, paths[RUN], ASSEMBLE_RUNTIME)

    def _artifacts(self, runtime: Facts) -> Sequence[Mapped]:
        if self._asked.runtime_artifacts:
            return self._asked.runtime_artifacts
        text = runtime.labels.get(INPUT_FILES)
        if not text:
            raise UsageError(
                f"nothing says which files of the builder go into {runtime.name}",
                hint=f"say --runtime-artifact /path, or give the runtime image the label {INPUT_FILES}",
            )
        return mappings(text, of=f"the label {INPUT_FILES} of {runtime.name}")

    def _taken(
        self, one: Mapped, runtime: Facts, built: Sequence[StackLayer], below: Sequence[StackLayer]
    ) -> StackLayer:
        """Return a layer with a file or folder of the builder, below the runtime image's working folder."""
        steps, step = self._steps, "artifacts"
        folder, name = posixpath.split(one.source)
        select = ListFiles(
            from_=self._builder.name,
            keep_owners=False,
            optional=False,
            parents=True,
            sources=(f"{folder.rstrip('/')}/./{name}",),
            roots=refs(built),
        )
        selected = steps.add(select, step)
        listing = Ref(Output(selected, "listing"))
        dest = posixpath.normpath(posixpath.join(runtime.workdir, one.dest)).lstrip("/")
        place = ResolveDestination(dest=dest, folder=True, roots=refs(below), listing=listing)
        copy = Copy(
            mode=_PLAIN_MODES,
            mtime=self._asked.options.epoch,
            listing=listing,
            content=Ref(Output(selected, "content")),
            destination=Ref(Output(steps.add(place, step), "destination")),
        )
        return steps.layer(copy, step, step)

    # The image.

    def _image(
        self, base: BaseImage, below: Sequence[StackLayer], layer: StackLayer, run: str, step: str
    ) -> Plan:
        options, steps = self._asked.options, self._steps
        state: State = starting(base.document, Scope({}, {}), options.epoch)
        for name, value in self._env.items():
            state.set_env(name, value)
        state.config["Cmd"] = [run]
        state.config.pop("OnBuild", None)
        labels = {**(state.config.get("Labels") or {}), **self._asked.image_labels(self._builder.name)}
        state.note(f"s2i {step} ({self._builder.name})", layer=True)
        found = ImageLabels(labels=labels, path=METADATA, roots=refs([layer]))
        manifest = composed(
            lambda spec, _: steps.add(spec, "image"),
            [*below, layer],
            state.document,
            state.history,
            options,
            base_layers=len(below),
            span=NOWHERE,
            labels=Ref(Output(steps.add(found, "image"), "labels")),
        )
        return Plan(steps.graph, manifest)


def _program(script: Script) -> Program:
    return Program(script.name, script.path, ", ".join([*script.looked, script.place]))

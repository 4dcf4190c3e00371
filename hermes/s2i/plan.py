"""What is asked of a build -> its actions.

The source, scripts and artifacts of the last build are layers on the builder, in which ``assemble`` runs; all of that
becomes one layer of the image. With a runtime image some of its files go there, and ``assemble-runtime`` runs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hermes.actions.specs.copy import Copy
from hermes.actions.specs.image_labels import ImageLabels
from hermes.actions.specs.list_files import ListFiles
from hermes.actions.specs.resolve_destination import ResolveDestination
from hermes.actions.specs.script import Program, SaveArtifacts
from hermes.actions.specs.script import Script as ScriptSpec
from hermes.actions.specs.spec import Ref
from hermes.dockerfile.composing import composed
from hermes.dockerfile.files import Files
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage
from hermes.dockerfile.scope import Scope
from hermes.dockerfile.state import StackLayer, State, starting
from hermes.engine.action import ActionGraph, Output
from hermes.errors import UsageError
from hermes.s2i.artifacts import Mapped, mappings
from hermes.s2i.facts import DESCRIPTION, DISPLAY_NAME, INPUT_FILES, NAMESPACE, Facts
from hermes.s2i.scripts import (
    ASSEMBLE,
    ASSEMBLE_RUNTIME,
    RUN,
    SAVE_ARTIFACTS,
    Place,
    Script,
    Scripts,
)
from hermes.s2i.source import Read, SourceFiles, environment, ignored
from hermes.s2i.steps import NOWHERE, Steps, refs
from hermes.s2i.users import Range, check_users

METADATA: Final = "tmp/.s2i/image_metadata.json"
"""Where ``assemble`` writes labels of the image; see docs/new_labels.md of s2i."""
_PLAIN_MODES: Final = "u=rwX,go=rX"


@dataclass(frozen=True, slots=True)
class Injection:
    """Files of this machine that ``assemble`` sees in the folder ``dest``, which may be relative to the working folder."""

    files: Files
    dest: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is built of what.

    ``source`` are the files of the application and ``read`` reads one. ``given`` are the places of scripts that count
    before those that images name; ``of_image`` returns the latter. ``previous`` is the image whose artifacts are used
    again. ``name`` and ``description`` become labels, as do ``labels``. ``environment`` counts before that of the
    source. What is empty is as the images say.
    """

    builder: BaseImage
    source: Files
    read: Read
    given: Sequence[Place] = ()
    of_image: Callable[[Facts], Sequence[Place]] = lambda _: ()
    previous: BaseImage | None = None
    runtime: BaseImage | None = None
    runtime_artifacts: Sequence[Mapped] = ()
    name: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Sequence[tuple[str, str]] = ()
    destination: str = ""
    assemble_user: str = ""
    assemble_runtime_user: str = ""
    allowed: Sequence[Range] = ()
    exclude: str = ""
    injections: Sequence[Injection] = ()
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions; ``manifest`` is the output that is the image."""

    graph: ActionGraph
    manifest: Output


def plan(asked: Asked, warn: Callable[[str], None]) -> Plan:
    """Return the actions of a build; raises `UsageError`."""
    if asked.previous is not None and asked.runtime is not None:
        raise UsageError(
            "an incremental build cannot have a runtime image",
            hint="leave out --incremental or --runtime-image",
        )
    return _Planner(asked, warn).plan()


class _Planner:
    def __init__(self, asked: Asked, warn: Callable[[str], None]) -> None:
        options = asked.options
        self._asked = asked
        self._warn = warn
        self._steps = Steps(options.platform, options.epoch)
        self._builder = Facts(asked.builder.name, asked.builder.document.get("config") or {})
        check_users(self._builder, asked.allowed, asked.assemble_user)
        self._env: list[tuple[str, str]] = []
        self._destination = posixpath.join("/", asked.destination or self._builder.destination)

    def plan(self) -> Plan:
        asked = self._asked
        below = self._steps.base(asked.builder, "builder")
        own = self._assembled(below)
        if asked.runtime is None:
            layer = self._steps.joined(own, below, ASSEMBLE, ASSEMBLE)
            run = self._scripts(self._builder).required(RUN)
            return self._image(asked.builder, below, layer, self._run_path(run, self._destination), ASSEMBLE)
        return self._extended(asked.runtime, [*below, *own])

    def _scripts(self, *images: Facts) -> Scripts:
        of_images = [place for image in images for place in self._asked.of_image(image)]
        return Scripts(images[0].name, [*self._asked.given, *of_images])

    # In the builder.

    def _assembled(self, below: Sequence[StackLayer]) -> list[StackLayer]:
        """Return the layers on the builder, the last of which is what ``assemble`` did."""
        asked, steps = self._asked, self._steps
        scripts = self._scripts(self._builder)
        assemble = scripts.required(ASSEMBLE)
        used = [assemble]
        if asked.runtime is None:
            used.append(scripts.required(RUN))
        save = scripts.find(SAVE_ARTIFACTS)
        if save is not None and save.artifact is not None:
            used.append(save)
        user = asked.assemble_user or self._builder.assemble_user
        owner = owner_of(user)
        own: list[StackLayer] = []
        put = {one.name: one.artifact for one in used if one.artifact is not None}
        if put:
            own.append(steps.programs(put, f"{self._destination}/scripts", owner, below, "scripts"))
        source = self._source(used)
        self._env = [*environment(source, asked.read, self._warn), *asked.environment]
        own.append(steps.files(source, f"{self._destination}/src", owner, [*below, *own], "source"))
        if asked.previous is not None and save is not None:
            own.append(self._saved(asked.previous, save, owner))
        folders, mounts, sources = self._injected()
        programs = [_program(one) for one in used if one.artifact is None and one.name != SAVE_ARTIFACTS]
        command = self._command(
            self._builder,
            self._run_path(assemble, self._destination),
            user,
            [*below, *own],
            programs=tuple(programs),
            folders=folders,
            mounts=mounts,
            sources=sources,
        )
        own.append(steps.layer(command, ASSEMBLE, ASSEMBLE))
        return own

    def _source(self, used: Sequence[Script]) -> SourceFiles:
        """Return the files of the application: without what is ignored, and without the scripts that are put elsewhere."""
        asked = self._asked
        without = ignored(asked.source, asked.read)
        without.update(one.source for one in used if one.source)
        return SourceFiles(asked.source, exclude=asked.exclude, without=without)

    def _saved(self, previous: BaseImage, save: Script, owner: str) -> StackLayer:
        """Return the layer of what ``save-artifacts`` prints in the image of the last build."""
        asked, steps = self._asked, self._steps
        facts = Facts(previous.name, previous.document.get("config") or {})
        stack = steps.base(previous, SAVE_ARTIFACTS)
        if save.artifact is not None:
            put = {save.name: save.artifact}
            stack.append(steps.programs(put, f"{self._destination}/scripts", owner, stack, SAVE_ARTIFACTS))
        user = asked.assemble_user or facts.user
        command = self._command(
            facts,
            self._run_path(save, self._destination),
            user,
            stack,
            programs=(_program(save),) if save.artifact is None else (),
            kind=SaveArtifacts,
            with_env=False,
            layer=False,
            dest=f"{self._destination}/artifacts",
            owner=owner,
        )
        return steps.layer(command, SAVE_ARTIFACTS, SAVE_ARTIFACTS)

    def _injected(self) -> tuple[tuple[str, ...], dict[str, bool], tuple[Ref, ...]]:
        """Return the folders that must be there, and what is mounted for ``assemble``: each file by itself."""
        folders: list[str] = []
        mounts: dict[str, bool] = {}
        sources: list[Ref] = []
        for one in self._asked.injections:
            dest = posixpath.normpath(posixpath.join(self._builder.workdir, one.dest))
            folders.append(dest)
            for path in _files_in(one.files):
                target = posixpath.join(dest, path)
                mounts[target] = True
                sources.append(Ref(one.files.artifact(path), target))
        return tuple(folders), mounts, tuple(sources)

    def _command(
        self,
        image: Facts,
        path: str,
        user: str,
        stack: Sequence[StackLayer],
        *,
        kind: type[ScriptSpec[Ref]] = ScriptSpec,
        with_env: bool = True,
        **more: Any,
    ) -> ScriptSpec[Ref]:
        options = self._asked.options
        return kind(
            image=image.name,
            argv=(path,),
            cwd=image.workdir,
            env={**image.env, **(dict(self._env) if with_env else {})},
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

    def _run_path(self, script: Script, destination: str) -> str:
        return script.path if script.artifact is None else f"{destination}/scripts/{script.name}"

    # In the runtime image.

    def _extended(self, runtime: BaseImage, built: Sequence[StackLayer]) -> Plan:
        asked, steps = self._asked, self._steps
        facts = Facts(runtime.name, runtime.document.get("config") or {})
        check_users(facts, asked.allowed)
        scripts = self._scripts(facts, self._builder)
        assemble = self._scripts(facts).required(ASSEMBLE_RUNTIME)
        run = scripts.required(RUN)
        below = steps.base(runtime, "runtime image")
        own = [self._taken(one, facts, [*built], below) for one in self._artifacts(facts)]
        put = {one.name: one.artifact for one in (assemble, run) if one.artifact is not None}
        place = facts.workdir
        if put:
            folder = posixpath.join(place, "scripts")
            own.append(steps.programs(put, folder, "", [*below, *own], "runtime scripts"))
        path = self._run_path(assemble, place)
        user = asked.assemble_runtime_user or facts.assemble_runtime_user
        programs = tuple(_program(one) for one in (assemble, run) if one.artifact is None)
        command = self._command(facts, path, user, [*below, *own], programs=programs)
        own.append(steps.layer(command, ASSEMBLE_RUNTIME, ASSEMBLE_RUNTIME))
        layer = steps.joined(own, below, ASSEMBLE_RUNTIME, ASSEMBLE_RUNTIME)
        return self._image(runtime, below, layer, self._run_path(run, place), ASSEMBLE_RUNTIME)

    def _artifacts(self, runtime: Facts) -> Sequence[Mapped]:
        if self._asked.runtime_artifacts:
            return self._asked.runtime_artifacts
        text = runtime.labels.get(INPUT_FILES)
        if not text:
            raise UsageError(
                f"nothing says what of the builder goes into {runtime.name}",
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
        for name, value in self._env:
            state.set_env(name, value)
        state.config["Cmd"] = [run]
        state.config.pop("OnBuild", None)
        labels = {**(state.config.get("Labels") or {}), **self._labels()}
        state.note(f"s2i {step} ({self._builder.name})", layer=True)
        found = ImageLabels(labels=labels, path=METADATA, roots=refs([*below, layer]))
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

    def _labels(self) -> dict[str, str]:
        asked = self._asked
        found = {f"{NAMESPACE}build.image": self._builder.name}
        if asked.name:
            found[DISPLAY_NAME] = asked.name
        if asked.description:
            found[DESCRIPTION] = asked.description
        return {**found, **asked.labels}


def owner_of(user: str) -> str:
    """Return who owns what is put into an image for a user: its group is root's, as OpenShift expects, unless one is named."""
    if user in ("", "0", "root"):
        return ""
    return user if ":" in user else f"{user}:0"


def _program(script: Script) -> Program:
    return Program(script.name, script.path, ", ".join([*script.looked, script.place]))


def _files_in(files: Files) -> list[str]:
    found: list[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        for name, is_folder in files.names(folder):
            path = f"{folder}/{name}" if folder else name
            if is_folder:
                pending.append(path)
            else:
                found.append(path)
    return sorted(found)

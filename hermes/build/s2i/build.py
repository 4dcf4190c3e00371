"""One build of an application: find its actions, run what is missing, name the image."""

from __future__ import annotations

import shutil
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.context_files import ContextFiles
from hermes.build.dockerfile.options import PULL_NEVER
from hermes.build.dockerfile.origins import NamedOrigins
from hermes.build.dockerfile.remote_sources import RemoteSources
from hermes.build.driver import Driver, How, Job
from hermes.build.epoch import epoch
from hermes.build.memory.looked import Looked
from hermes.build.s2i.options import S2IOptions
from hermes.build.s2i.script_places import ScriptPlaces
from hermes.build.s2i.snapshot import remember
from hermes.build.s2i.sources import Source, fetched
from hermes.dockerfile.files import FolderFiles
from hermes.dockerfile.options import Options
from hermes.dockerfile.origins import BaseImage
from hermes.engine.events import Subscriber
from hermes.errors import BuildError, ProgramMissing, UsageError
from hermes.image.names import ImageNames
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.image.stored import descriptor_of
from hermes.naming.bases import base_of_image
from hermes.naming.registries import settings_of
from hermes.naming.targets import BuildTarget
from hermes.s2i.asked import Asked, Injection
from hermes.s2i.facts import Facts
from hermes.s2i.plan import plan
from hermes.s2i.scripts import SOURCE_FOLDERS, USAGE, InFiles, Place, Scripts

T = TypeVar("T")


class S2IBuild:
    """Builds what ``options`` say with the store at ``home``; ``build_target`` builds targets that they name."""

    def __init__(
        self,
        options: S2IOptions,
        home: Path,
        build_target: BuildTarget,
        subscribers: Sequence[Subscriber],
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._say = say
        self._tag = Reference.parse(options.tag) if options.tag else None
        self._platform = Platform.parse(options.platform) if options.platform else Platform.host()
        self._build_target = build_target
        self._settings = settings_of(None, home)
        self._driver = Driver(home, subscribers, lambda: self._settings.registries)
        self._store = self._driver.store
        self._unknown_is_usual = False
        self._labels: dict[str, str] = {}
        self._looked = Looked.now()
        self._warnings: list[str] = []

    def run(self) -> BuiltDockerfile:
        """Build and name the image; raises `UsageError`, `BuildFailed` and others."""
        url = self._options.callback_url
        if not url:
            return self._driver.run(lambda _: self._with_asked(self._build))
        from hermes.build.s2i.callback import post

        success = False
        try:
            built = self._driver.run(lambda _: self._with_asked(self._build))
            success = True
        finally:
            post(url, success=success, labels=self._labels, warn=self._warn)
        return built

    def write_dockerfile(self, path: Path) -> None:
        """Write the build as a Dockerfile instead; see `hermes.build.s2i.dockerfiles`."""
        from hermes.build.s2i.dockerfiles import write_dockerfile

        self._unknown_is_usual = True
        self._driver.run(
            lambda _: self._with_asked(
                lambda asked, folders: write_dockerfile(asked, path, folders, self._warn)
            )
        )

    def usage(self, stdio: tuple[int, int, int]) -> int:
        """Run the usage script in the builder; return its exit status. Raises `UsageError` where there is none."""

        def run(_: bool) -> int:
            image = self._image(self._options.builder, self._options.pull)
            with self._store.scratch.directory() as scratch:
                remote = RemoteSources(self._store, self._driver.fetching.cancelled)
                places = ScriptPlaces(self._store, scratch, remote, self._say)
                return self._used(image, places, scratch, stdio)

        return self._driver.run(run)

    def _used(
        self, image: BaseImage, places: ScriptPlaces, scratch: Path, stdio: tuple[int, int, int]
    ) -> int:
        from hermes.build.s2i.dockerfiles import place_of
        from hermes.container.mount_values import Bound
        from hermes.container.stack import StackEntry
        from hermes.container.task import Task

        facts = Facts(image.name, image.document.get("config") or {})
        script = Scripts(facts.name, [*self._named(places), *places.of_image(facts)]).required(USAGE)
        path = script.path
        bound: tuple[Bound, ...] = ()
        if script.artifact is not None:
            path = f"{(self._options.destination or facts.destination).rstrip('/')}/{USAGE}"
            copy = scratch / USAGE
            shutil.copyfile(place_of(script.artifact, places.folders), copy)
            copy.chmod(0o755)
            bound = (Bound(path, str(copy)),)
        task = Task(
            stack=tuple(StackEntry(one.diff_id, image.name) for one in image.layers),
            argv=(path,),
            env=(*facts.env.items(), *self._options.environment),
            cwd=facts.workdir,
            user=facts.user,
            bound=bound,
            runtime=self._options.runtime,
        )
        try:
            return self._driver.commands(self._settings).run(task, stdio).status
        except ProgramMissing:
            looked = ", ".join([*script.looked, script.place])
            raise UsageError(
                f"{facts.name}: the {USAGE} script {path} is not in the image; looked in: {looked}",
                hint="name a folder that has one with --scripts-url",
            ) from None

    def facts(self) -> Facts:
        """Return what the builder says of itself."""

        def looked(_: bool) -> Facts:
            image = self._image(self._options.builder, self._options.pull)
            return Facts(image.name, image.document.get("config") or {})

        return self._driver.run(looked)

    def _with_asked(self, use: Callable[[Asked, Mapping[str, str]], T]) -> T:
        """Return what comes of using what is asked for, and the folders of its files by their names as sources."""
        with ExitStack() as held:
            source = held.enter_context(fetched(self._options, self._store, self._looked))
            scratch = held.enter_context(self._store.scratch.directory())
            remote = RemoteSources(self._store, self._driver.fetching.cancelled)
            places = ScriptPlaces(self._store, scratch, remote, self._say, self._looked)
            folders = {"": str(source.folder)}
            asked = self._asked(source, places, folders)
            return use(asked, ChainMap(folders, places.folders))

    def _build(self, asked: Asked, folders: Mapping[str, str]) -> BuiltDockerfile:
        options = self._options
        planned = plan(asked, self._warn)
        files = ContextFiles(folders, self._store)
        job = Job(planned.graph, [planned.manifest.action], files, Path(folders[""]))
        how = How(self._settings, options.runtime, options.jobs, use_cache=options.use_cache)
        report = self._driver.execute(job, how)
        files.save(self._store)
        value = report.known[planned.manifest.action].outputs[planned.manifest.name]
        manifest = descriptor_of(self._store, value.digest)
        if self._tag is not None:
            ImageNames(self._store).set(self._tag, manifest)
        if options.callback_url:
            image = base_of_image(options.tag, manifest.digest, self._store)
            self._labels = Facts(options.tag, image.document["config"]).labels
        actions = planned.graph.actions
        executed = tuple((actions[name].kind, actions[name].owner) for name in report.executed)
        built = BuiltDockerfile(manifest, executed, report.cached, (options.tag,) if options.tag else ())
        remember(options, self._store, self._looked, built, self._warnings)
        return built

    def _warn(self, text: str) -> None:
        self._warnings.append(f"warning: {text}")
        self._say(self._warnings[-1])

    def _asked(self, source: Source, places: ScriptPlaces, folders: dict[str, str]) -> Asked:
        options = self._options
        files = FolderFiles(str(source.folder), "", self._looked.paths)
        injections = []
        for number, (folder, dest) in enumerate(options.inject):
            name = f"inject{number}"
            folders[name] = folder
            injections.append(Injection(FolderFiles(folder, name, self._looked.paths), dest))
        return Asked(
            builder=self._builder(),
            source=files,
            read=lambda path: (source.folder / path).read_bytes(),
            given=[*self._named(places), *_of_source(files)],
            of_image=lambda facts: list(places.of_image(facts)),
            previous=self._previous(),
            runtime=self._image(options.runtime_image, options.runtime_pull)
            if options.runtime_image
            else None,
            runtime_artifacts=options.runtime_artifacts,
            name=options.name or options.tag,
            description=options.description,
            labels={**source.labels, **options.labels},
            environment=options.environment,
            destination=options.destination,
            assemble_user=options.assemble_user,
            assemble_runtime_user=options.assemble_runtime_user,
            allowed=options.allowed,
            exclude=options.exclude,
            injections=injections,
            origins=self._origins(options.pull),
            options=self._chosen(),
        )

    def _named(self, places: ScriptPlaces) -> list[Place]:
        return [places.named(self._options.scripts_url)] if self._options.scripts_url else []

    def _chosen(self) -> Options:
        options = self._options
        return Options(
            platform=self._platform,
            network=options.network,
            volumes=tuple(options.volumes),
            hosts=tuple(options.hosts),
            capabilities=tuple(options.capabilities),
            epoch=epoch() if options.seconds is None else options.seconds,
        )

    def _image(self, name: str, pull: str) -> BaseImage:
        return self._origins(pull).image(name, self._platform)

    def _origins(self, pull: str) -> NamedOrigins:
        return NamedOrigins(self._store, self._driver.fetching, self._build_target, {}, pull, self._looked)

    def _builder(self) -> BaseImage:
        """Return the builder; for a Dockerfile it need not be here, and is then taken for a usual one."""
        options = self._options
        try:
            return self._image(options.builder, options.pull)
        except (UsageError, BuildError) as error:
            if not self._unknown_is_usual:
                raise
            from hermes.s2i.written import usual_builder

            self._warn(f"nothing is known of the builder: {error.message}")
            return usual_builder(options.builder)

    def _previous(self) -> BaseImage | None:
        """Return the image of the last build, if there is one and its artifacts are to be used again."""
        options = self._options
        if not options.incremental:
            return None
        if self._tag is None:
            raise UsageError(
                "--incremental: the image has no name by which the last one could be found",
                hint="name it: hermes s2i build SOURCE BUILDER TAG",
            )
        is_here = ImageNames(self._store).find(self._tag) is not None
        pull = options.incremental_pull if is_here or self._tag.host else PULL_NEVER
        try:
            return self._image(options.tag, pull)
        except (UsageError, BuildError) as error:
            self._looked.lasts = False
            self._say(f"a clean build: {error.message}")
            return None


def _of_source(files: FolderFiles) -> list[InFiles]:
    return [InFiles(files, folder, f"{folder} of the source", of_source=True) for folder in SOURCE_FOLDERS]

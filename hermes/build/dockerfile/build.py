"""One build of a Dockerfile: translate it, run what is missing, name the image and write it where it is to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import DockerfileOptions, dockerfile_of, folder_of
from hermes.build.dockerfile.origins import NamedOrigins, context_at, ignore_files, ignored_in
from hermes.build.dockerfile.snapshot import Looked, remember
from hermes.build.driver import Driver, How, Job
from hermes.build.memory.keys import STANDARD_INPUT, part_of, remember_parts
from hermes.build.memory.snapshot import Snapshots
from hermes.build.secrets import check_actions, read_secrets
from hermes.build.ssh_agents import read_agents, running
from hermes.dockerfile.checks import shown, tell
from hermes.dockerfile.context import Context
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import Dockerfile, parse
from hermes.dockerfile.translate import Translation, translate
from hermes.engine.action import Value
from hermes.engine.events import Subscriber
from hermes.engine.scheduler import Report
from hermes.errors import BuildFailed
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.layer.compress import GZIP, ZSTD
from hermes.naming.registries import settings_of
from hermes.naming.targets import BuildTarget
from hermes.sandbox import capabilities
from hermes.store import Store
from hermes.workspace.sources import FileIndex

if TYPE_CHECKING:
    from hermes.layer.content import Signature
    from hermes.registry.client import Client
    from hermes.transports.transport import Destination


class DockerfileBuild:
    """Builds what ``options`` say with the store at ``home``; ``build_target`` builds targets that it names.

    What they leave open, the ``hermes.yaml`` of the workspace says that this is started in, if there is one.
    """

    def __init__(
        self,
        options: DockerfileOptions,
        home: Path,
        build_target: BuildTarget,
        subscribers: Sequence[Subscriber],
        say: Callable[[str], None],
    ) -> None:
        from hermes.image.reference import Reference

        if options.runtime:
            from hermes.sandbox.choice import check_name

            check_name(options.runtime)
        self._options = options
        self._build_target = build_target
        self._say = say
        self._warnings: list[str] = []
        self._tags = [Reference.parse(one) for one in options.tags]
        self._destinations = [*_destinations(options.destinations, lambda: self._driver.fetching.client)]
        self._secrets = read_secrets(options.secrets) if options.secrets else {}
        self._agents = read_agents(options.agents)
        self._sockets: dict[str, str] = {}
        self._root = folder_of(options)
        self._source = self._file, text = dockerfile_of(options, self._root)
        self._dockerfile: Dockerfile = parse(os.path.basename(self._file) or "Dockerfile", text)
        self._settings = settings_of(None, home)
        hidden = [one.variable for one in options.secrets]
        self._driver = Driver(home, subscribers, lambda: self._settings.registries, hidden)
        self._store = self._driver.store

    def run(self) -> BuiltDockerfile:
        """Build, name the image and write it; raises `DockerfileError`, `BuildFailed` and others."""

        def build(_: bool) -> BuiltDockerfile:
            with running(self._agents) as self._sockets:
                return self._build()

        return self._driver.run(build)

    def check(self) -> list[str]:
        """Return what is better done otherwise, each with its place and lines."""

        def checked(_: bool) -> list[str]:
            translation, _origins = self._translated()
            text = self._dockerfile.text
            return [
                f"{shown(self._dockerfile, one)}\n{text.excerpt(one.span)}" for one in translation.findings
            ]

        return self._driver.run(checked)

    def _translated(self) -> tuple[Translation, NamedOrigins]:
        """Return the actions, and what was found of the names in the Dockerfile."""
        options = self._options
        self._warnings.clear()
        context = self._context()
        platform = Platform.parse(options.platform) if options.platform else Platform.host()
        origins = NamedOrigins(
            self._store,
            self._driver.fetching,
            self._build_target,
            options.contexts,
            options.pull,
            self._looked,
            is_docker=options.format == "docker",
        )
        translation = translate(self._dockerfile, context, origins, self._chosen(platform))
        return translation, origins

    def _build(self) -> BuiltDockerfile:
        translation, origins = self._translated()
        for warning in translation.warnings:
            self._warn(warning)
        tell(self._dockerfile, translation.findings, self._warn)
        if self._secrets:
            check_actions(translation.graph, self._secrets)
        sources = _Files({"": str(self._root), **origins.folders}, self._store)
        report = self._execute(translation, sources)
        sources.save(self._store)
        value = report.known[translation.manifest.action].outputs[translation.manifest.name]
        manifest = self._descriptor(value)
        self._publish(manifest)
        actions = translation.graph.actions
        executed = tuple((actions[name].kind, actions[name].owner) for name in report.executed)
        built = BuiltDockerfile(manifest, executed, report.cached)
        remember(self._options, self._store, self._root, self._source, self._looked, built, self._warnings)
        return built

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._say(f"warning: {text}")

    def _chosen(self, platform: Platform) -> Options:
        from hermes.build.epoch import epoch, epoch_of

        options = self._options
        is_docker = options.format == "docker"
        if options.annotations and is_docker:
            self._warn("an image in Docker's format has no annotations; they are left out")
        return Options(
            target=options.target,
            arguments=options.arguments,
            platform=platform,
            network=options.network,
            secrets=frozenset(self._secrets),
            agents=frozenset(self._agents),
            volumes=tuple(options.volumes),
            hosts=tuple(options.hosts),
            capabilities=tuple(sorted(set(map(capabilities.parse, options.capabilities)))),
            epoch=epoch_of(options.arguments, epoch()) if options.seconds is None else options.seconds,
            labels=options.labels,
            annotations={} if is_docker else options.annotations,
            layers=options.layers,
            squash=options.squash,
            docker=is_docker,
            codec=GZIP if is_docker else ZSTD,
        )

    def _context(self) -> Context:
        place = self._root, self._file, self._options.ignore_file
        self._looked = Looked.now()
        self._looked.at(ignore_files(*place))
        ignored, name = ignored_in(*place)
        return context_at(str(self._root), "", ignored, name, self._looked)

    def _execute(self, translation: Translation, sources: _Files) -> Report:
        called = os.path.relpath(self._file, self._root) if self._file else STANDARD_INPUT
        actions = translation.graph.actions
        job = Job(
            translation.graph,
            [translation.manifest.action],
            sources,
            self._root,
            called=lambda name: part_of(called, name),
        )
        options = self._options
        how = How(
            self._settings,
            options.runtime,
            options.jobs,
            use_cache=options.use_cache,
            secrets=self._secrets,
            agents=self._sockets,
        )
        try:
            return self._driver.execute(job, how)
        except BuildFailed as error:
            from hermes.build.dockerfile.targets import with_excerpts

            excerpts = {
                owner: self._dockerfile.text.excerpt(span) for owner, span in translation.spans.items()
            }
            raise with_excerpts(error, excerpts) from None
        finally:
            known = self._driver.report.known
            parts = [(part_of(called, one.id), one.kind) for one in actions.values() if one.id in known]
            remember_parts(self._store, self._root, {called: parts})

    def _descriptor(self, value: Value) -> Descriptor:
        from hermes.image.manifest import Manifest

        parsed = Manifest.parse(self._store.blobs.read(value.digest))
        return Descriptor(parsed.media_type, value.digest, value.size)

    def _publish(self, manifest: Descriptor) -> None:
        from hermes.image.names import ImageNames

        names = ImageNames(self._store)
        for tag in self._tags:
            names.set(tag, manifest)
        called = str(self._tags[0]) if self._tags else f"{self._root.name.lower() or 'image'}:latest"
        for destination in self._destinations:
            self._driver.fetching.write(destination, manifest, called)


def _destinations(texts: Sequence[str], client: Callable[[], Client]) -> Iterator[Destination]:
    if texts:
        from hermes.transports.table import parse_destination

        for one in texts:
            yield parse_destination(one, client)


class _Files:
    """The files of all contexts of a build; a source is the name of its context, a NUL and its path there. See `hermes.engine.scheduler.Sources`."""

    def __init__(self, folders: Mapping[str, str], store: Store) -> None:
        self._indexes: dict[str, tuple[FileIndex, Path]] = {}
        for name, folder in folders.items():
            root = Path(folder)
            path = Snapshots(store.home, root).files
            self._indexes[name] = FileIndex.load(root, path), path

    def seen(self, path: str) -> tuple[Value, str, Signature]:
        name, _, inside = path.partition("\0")
        return self._indexes[name][0].seen(inside)

    def save(self, store: Store) -> None:
        for index, path in self._indexes.values():
            index.save(store, path)

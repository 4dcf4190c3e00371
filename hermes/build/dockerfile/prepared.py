"""One Dockerfile of a build: read, translated, and at the end named and written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import DockerfileOptions, dockerfile_of, folder_of
from hermes.build.dockerfile.origins import NamedOrigins, context_at, ignore_files, ignored_in
from hermes.build.dockerfile.snapshot import Looked, remember
from hermes.build.memory.keys import STANDARD_INPUT, part_of
from hermes.dockerfile.checks import shown, tell
from hermes.dockerfile.context import Context
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import Dockerfile, parse
from hermes.dockerfile.translate import Translation, translate
from hermes.engine.action import Output, Value
from hermes.engine.scheduler import Report
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.layer.compress import GZIP, ZSTD
from hermes.naming.registries import LazyBlobs
from hermes.naming.targets import BuildTarget
from hermes.sandbox import capabilities
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.engine.action import Action
    from hermes.registry.client import Client
    from hermes.transports.transport import Destination


class Prepared:
    """See the module.

    ``name`` tells it from the others of the build, and is empty where it is the only one. ``secrets`` and ``agents``
    are the ids that the build has. `translate` comes before all else. Raises `UsageError` and `DockerfileError`.
    """

    def __init__(
        self,
        name: str,
        options: DockerfileOptions,
        secrets: Iterable[str],
        agents: Iterable[str],
        say: Callable[[str], None],
    ) -> None:
        from hermes.image.reference import Reference

        self.name = name
        self.options = options
        self.folder = folder_of(options)
        self._tags = [Reference.parse(one) for one in options.tags]
        self._destinations: list[Destination] = []
        self._secrets = frozenset(secrets)
        self._agents = frozenset(agents)
        self._say = say
        self._warnings: list[str] = []
        self._source = self._file, text = dockerfile_of(options, self.folder)
        self._dockerfile: Dockerfile = parse(os.path.basename(self._file) or "Dockerfile", text)
        self._looked = Looked.now()
        self._translation: Translation

    def open_destinations(self, client: Callable[[], Client]) -> None:
        """Look at where the image is to be written, so that a mistake is told before anything is built."""
        if self.options.destinations:
            from hermes.transports.table import parse_destination

            self._destinations = [parse_destination(one, client) for one in self.options.destinations]

    def translate(self, store: Store, fetching: LazyBlobs, build_target: BuildTarget) -> dict[str, str]:
        """Find out the actions, and return the folders of all contexts, by the names that sources have."""
        options = self.options
        self._warnings.clear()
        context = self._context()
        platform = Platform.parse(options.platform) if options.platform else Platform.host()
        origins = NamedOrigins(
            store,
            fetching,
            build_target,
            options.contexts,
            options.pull,
            self._looked,
            prefix=self.name,
            is_docker=options.format == "docker",
        )
        self._translation = translate(self._dockerfile, context, origins, self._chosen(platform))
        return {self.name: str(self.folder), **origins.folders}

    def check(self) -> list[str]:
        """Return what is better done otherwise, each with its place and lines."""
        file = self._dockerfile
        return [f"{shown(file, one)}\n{file.text.excerpt(one.span)}" for one in self._translation.findings]

    def tell(self) -> None:
        """Say all warnings."""
        for warning in self._translation.warnings:
            self._warn(warning)
        tell(self._dockerfile, self._translation.findings, self._warn)

    def actions(self) -> Iterator[Action]:
        """Yield the actions, with ids and owners that no other Dockerfile of the build has."""
        for action in self._translation.graph.actions.values():
            yield self._renamed(action) if self.name else action

    @property
    def wanted(self) -> Output:
        """The output that is the image."""
        manifest = self._translation.manifest
        return Output(self._id(manifest.action), manifest.name)

    @property
    def called(self) -> str:
        """What the Dockerfile is called where `hermes explain` looks for it."""
        if self.name:
            return self.name
        return os.path.relpath(self._file, self.folder) if self._file else STANDARD_INPUT

    def excerpts(self) -> dict[str, str]:
        """Return the lines that the owners of actions are."""
        text = self._dockerfile.text
        return {self._owner(owner): text.excerpt(span) for owner, span in self._translation.spans.items()}

    def finish(self, report: Report, store: Store, fetching: LazyBlobs) -> BuiltDockerfile:
        """Name the image, write it, and remember what it was made of."""
        value = report.known[self.wanted.action].outputs[self.wanted.name]
        manifest = _descriptor(store, value)
        self._publish(manifest, store, fetching)
        own = {one.id: one for one in self.actions()}
        executed = tuple((own[name].kind, own[name].owner) for name in report.executed if name in own)
        cached = report.cached
        if self.name:
            cached = sum(name in report.known for name in own) - len(executed)
        built = BuiltDockerfile(manifest, executed, cached)
        remember(self.options, store, self.folder, self._source, self._looked, built, self._warnings)
        return built

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._say(f"warning: {text}")

    def _context(self) -> Context:
        place = self.folder, self._file, self.options.ignore_file
        self._looked = Looked.now()
        self._looked.at(ignore_files(*place))
        ignored, found = ignored_in(*place)
        return context_at(str(self.folder), self.name, ignored, found, self._looked)

    def _chosen(self, platform: Platform) -> Options:
        from hermes.build.epoch import epoch, epoch_of

        options = self.options
        is_docker = options.format == "docker"
        if options.annotations and is_docker:
            self._warn("an image in Docker's format has no annotations; they are left out")
        return Options(
            target=options.target,
            arguments=options.arguments,
            platform=platform,
            network=options.network,
            secrets=self._secrets,
            agents=self._agents,
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

    def _renamed(self, action: Action) -> Action:
        own = self._translation.graph.actions
        inputs = tuple(
            one._replace(artifact=Output(self._id(one.artifact.action), one.artifact.name))
            if isinstance(one.artifact, Output) and one.artifact.action in own
            else one
            for one in action.inputs
        )
        return replace(action, id=self._id(action.id), owner=self._owner(action.owner), inputs=inputs)

    def _id(self, action: str) -> str:
        return part_of(self.name, action) if self.name else action

    def _owner(self, place: str) -> str:
        return f"{self.name} {place}" if self.name else place

    def _publish(self, manifest: Descriptor, store: Store, fetching: LazyBlobs) -> None:
        from hermes.image.names import ImageNames

        names = ImageNames(store)
        for tag in self._tags:
            names.set(tag, manifest)
        called = str(self._tags[0]) if self._tags else f"{self.folder.name.lower() or 'image'}:latest"
        for destination in self._destinations:
            fetching.write(destination, manifest, called)


def _descriptor(store: Store, value: Value) -> Descriptor:
    from hermes.image.manifest import Manifest

    parsed = Manifest.parse(store.blobs.read(value.digest))
    return Descriptor(parsed.media_type, value.digest, value.size)

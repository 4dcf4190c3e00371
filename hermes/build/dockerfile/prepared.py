"""One Dockerfile of a build: read, translated, and at the end named and written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hermes.actions.specs.index import Index
from hermes.actions.specs.spec import Ref, declared
from hermes.build.dockerfile.built import BuiltDockerfile
from hermes.build.dockerfile.options import DockerfileOptions, dockerfile_of, folder_of
from hermes.build.dockerfile.origins import NamedOrigins, context_at, ignore_files, ignored_in
from hermes.build.dockerfile.snapshot import remember
from hermes.build.memory.keys import STANDARD_INPUT, part_of
from hermes.build.memory.looked import Looked
from hermes.dockerfile.context import Context
from hermes.dockerfile.findings import Finding, shown, tell
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import Dockerfile, parse
from hermes.dockerfile.translate import Translation, check, translate
from hermes.engine.action import Action, Output
from hermes.engine.scheduler import Report
from hermes.errors import DockerfileError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.image.stored import descriptor_of
from hermes.layer.compress import GZIP, ZSTD, Codec, codec_of
from hermes.naming.registries import LazyBlobs
from hermes.naming.targets import BuildTarget
from hermes.sandbox import capabilities
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.build.dockerfile.outputs import Opened
    from hermes.registry.client import Client


@dataclass(frozen=True, slots=True)
class _Variant:
    """The actions for one platform; ``name`` tells them from all others of the build, and is empty if there are none."""

    name: str
    platform: Platform
    translation: Translation

    def actions(self) -> Iterator[Action]:
        for action in self.translation.graph.actions.values():
            yield self._renamed(action) if self.name else action

    @property
    def manifest(self) -> Output:
        found = self.translation.manifest
        return Output(self._id(found.action), found.name)

    def fresh(self) -> Iterator[str]:
        return map(self._id, self.translation.fresh)

    def owner(self, place: str) -> str:
        return f"{self.name} {place}" if self.name else place

    def _renamed(self, action: Action) -> Action:
        own = self.translation.graph.actions
        inputs = tuple(
            one._replace(artifact=Output(self._id(one.artifact.action), one.artifact.name))
            if isinstance(one.artifact, Output) and one.artifact.action in own
            else one
            for one in action.inputs
        )
        return replace(action, id=self._id(action.id), owner=self.owner(action.owner), inputs=inputs)

    def _id(self, action: str) -> str:
        return part_of(self.name, action) if self.name else action


class Prepared:
    """See the module.

    ``name`` tells it from the others of the build, and is empty where it is the only one. For several platforms it
    gives an index. ``secrets`` and ``agents`` are the ids that the build has. `translate` comes before all else.
    Raises `UsageError` and `DockerfileError`.
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
        self._destinations: list[Opened] = []
        self._secrets = frozenset(secrets)
        self._agents = frozenset(agents)
        self._say = say
        self._warnings: list[str] = []
        self._source = self._file, text = dockerfile_of(options, self.folder)
        with self._naming():
            self._dockerfile: Dockerfile = parse(os.path.basename(self._file) or "Dockerfile", text)
        self._looked = Looked.now()
        self._platforms = _platforms(options.platform)
        self._variants: list[_Variant] = []

    def open_destinations(self, client: Callable[[], Client]) -> None:
        """Look at where the image is to be written, so that a mistake is told before anything is built."""
        if self.options.destinations:
            from hermes.build.dockerfile.outputs import opened

            self._destinations = list(opened(self.options, client))

    def translate(self, store: Store, fetching: LazyBlobs, build_target: BuildTarget) -> dict[str, str]:
        """Find out the actions, and return the folders of all contexts, by the names that sources have."""
        self._warnings.clear()
        context = self._context()
        origins = self._origins(store, fetching, build_target)
        with self._naming():
            self._variants = [
                _Variant(
                    self._variant_name(one),
                    one,
                    translate(self._dockerfile, context, origins, self._chosen(one)),
                )
                for one in self._platforms
            ]
        return {self.name: str(self.folder), **origins.folders}

    def check(
        self, store: Store, fetching: LazyBlobs, build_target: BuildTarget, say: Callable[[str], None]
    ) -> None:
        """Say what is better done otherwise, each with its place and lines; raises the `DockerfileError` of a build."""
        file, context = self._dockerfile, self._context()
        origins = self._origins(store, fetching, build_target)
        checked = [check(file, context, origins, self._chosen(one)) for one in self._platforms]
        for one in dict.fromkeys(finding for found, _ in checked for finding in found):
            say(f"{self._named(shown(file, one))}\n{file.text.excerpt(one.span)}")
        for _, error in checked:
            if error is not None:
                with self._naming():
                    raise error

    def _origins(self, store: Store, fetching: LazyBlobs, build_target: BuildTarget) -> NamedOrigins:
        options = self.options
        return NamedOrigins(
            store,
            fetching,
            build_target,
            options.contexts,
            options.pull,
            self._looked,
            prefix=self.name,
            is_docker=options.format == "docker",
        )

    def tell(self) -> None:
        """Say all warnings; those of how this build is run are not said again by one to which nothing changed."""
        for name in dict.fromkeys(
            one for variant in self._variants for one in variant.translation.not_stages
        ):
            self._say(f"warning: {self._named(self._dockerfile.text.name)}: no stage {name} to execute again")
        for warning in dict.fromkeys(text for one in self._variants for text in one.translation.warnings):
            self._warn(warning)
        tell(self._dockerfile, self._findings(), self._warn)

    def actions(self) -> Iterator[Action]:
        """Yield the actions, with ids and owners that no other Dockerfile of the build has."""
        for one in self._variants:
            yield from one.actions()
        if (index := self._index()) is not None:
            yield index

    def fresh(self) -> Iterator[str]:
        """Yield the ids of actions that are to be executed whatever is cached."""
        for one in self._variants:
            yield from one.fresh()

    @property
    def wanted(self) -> Output:
        """The output that is the image, or the index."""
        index = self._index()
        return self._variants[0].manifest if index is None else Output(index.id, "index")

    @property
    def called(self) -> str:
        """What the Dockerfile is called where `hermes explain` looks for it."""
        if self.name:
            return self.name
        return os.path.relpath(self._file, self.folder) if self._file else STANDARD_INPUT

    def excerpts(self) -> dict[str, str]:
        """Return the lines that the owners of actions are."""
        text = self._dockerfile.text
        return {
            one.owner(owner): text.excerpt(span)
            for one in self._variants
            for owner, span in one.translation.spans.items()
        }

    def instructions(self) -> dict[str, str]:
        """Return the instructions that the owners of actions are."""
        text = self._dockerfile.text
        return {
            one.owner(owner): text.instruction(span)
            for one in self._variants
            for owner, span in one.translation.spans.items()
        }

    def finish(self, report: Report, store: Store, fetching: LazyBlobs) -> BuiltDockerfile:
        """Name the image, write it, and remember what it was made of."""
        value = report.known[self.wanted.action].outputs[self.wanted.name]
        manifest = descriptor_of(store, value.digest)
        self._publish(manifest, store, fetching)
        own = {one.id: one for one in self.actions()}
        executed = tuple((own[name].kind, own[name].owner) for name in report.executed if name in own)
        cached = report.cached
        if self.name:
            cached = sum(name in report.known for name in own) - len(executed)
        built = BuiltDockerfile(manifest, executed, cached, tuple(self.options.tags))
        remember(self.options, store, self.folder, self._source, self._looked, built, self._warnings)
        return built

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._say(f"warning: {self._named(text)}")

    def _named(self, text: str) -> str:
        """Return what is said of a place in the Dockerfile, as the owners of its actions are called."""
        return f"{self.name} {text}" if self.name else text

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Say of an error which of several Dockerfiles has it."""
        try:
            yield
        except DockerfileError as error:
            error.message = self._named(error.message)
            error.args = (error.message,)
            raise

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
            fresh_stages=tuple(options.fresh_stages),
            shared=options.shared,
            env=options.env,
            unset_env=tuple(options.unset_env),
            annotations={} if is_docker else options.annotations,
            layers=options.layers,
            squash=options.squash,
            docker=is_docker,
            codec=self._codec(),
        )

    def _codec(self) -> Codec:
        is_docker = self.options.format == "docker"
        asked = codec_of(self.options.compression)
        if asked is None:
            return GZIP if is_docker else ZSTD
        if is_docker and asked.name != GZIP.name:
            raise UsageError(
                f"an image in Docker's format has no layers compressed with {asked.name}",
                hint="say oci-mediatypes=true, or compression=gzip",
            )
        return asked

    def _variant_name(self, platform: Platform) -> str:
        several = (str(platform),) if len(self._platforms) > 1 else ()
        return " ".join(one for one in (self.name, *several) if one)

    def _findings(self) -> list[Finding]:
        return list(dict.fromkeys(one for variant in self._variants for one in variant.translation.findings))

    def _index(self) -> Action | None:
        """Return the action that makes one index of the images, if they are for several platforms."""
        if len(self._variants) < 2:
            return None
        manifests = tuple(Ref(one.manifest, str(one.platform)) for one in self._variants)
        annotations = {} if self.options.format == "docker" else dict(self.options.annotations)
        spec = Index(annotations=annotations, manifests=manifests)
        file = os.path.basename(self._file) or "Dockerfile"
        name = part_of(self.name, "index") if self.name else "index"
        return declared(spec, name=name, owner=f"{self.name} {file}".strip(), platform="")

    def _publish(self, manifest: Descriptor, store: Store, fetching: LazyBlobs) -> None:
        from hermes.image.names import ImageNames

        names = ImageNames(store)
        for tag in self._tags:
            names.set(tag, manifest)
        called = str(self._tags[0]) if self._tags else f"{self.folder.name.lower() or 'image'}:latest"
        for one in self._destinations:
            one.write(manifest, store, fetching, called)


def _platforms(text: str) -> list[Platform]:
    """Return the platforms that ``OS/ARCH,OS/ARCH`` names, this machine's if it names none; raises `UsageError`."""
    named = [Platform.parse(one.strip()) for one in text.split(",")] if text else [Platform.host()]
    return list(dict.fromkeys(named))

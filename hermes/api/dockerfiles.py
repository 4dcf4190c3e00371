"""The Python interface to Dockerfiles: what ``hermes bud`` does.

::

    image = hermes.Dockerfiles().build(DockerfileOptions(context=".", tags=["app:latest"]))
    print(image.digest)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.actions.local import Local, available
from hermes.actions.tools import Tools
from hermes.api.dockerfile_origins import PULL_MISSING, NamedOrigins, context_at, ignored_in
from hermes.api.keys import remember_keys
from hermes.api.registries import Fetching, registries_of
from hermes.api.secrets import SecretSource, check_actions, read_secrets
from hermes.api.snapshot import Snapshots
from hermes.container.core import PRELOADED, Containers, sweep_after
from hermes.digest import Digest
from hermes.dockerfile.checks import Directive, Finding, findings
from hermes.dockerfile.context import Context
from hermes.dockerfile.options import Options
from hermes.dockerfile.parse import Dockerfile, parse
from hermes.dockerfile.translate import Translation, translate
from hermes.engine.action import Value
from hermes.engine.events import Events, Subscriber
from hermes.engine.executor import Caching
from hermes.engine.scheduler import Options as SchedulerOptions
from hermes.engine.scheduler import Report, Scheduler
from hermes.errors import (
    BuildFailed,
    BuildInterrupted,
    HermesError,
    MissingBlobError,
    UsageError,
)
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.layer.compress import GZIP, ZSTD
from hermes.registry.prefixes import is_remote
from hermes.sandbox.namespace import Namespace
from hermes.store import ResultCache, Store
from hermes.store.location import default_home
from hermes.workspace.sources import FileIndex

if TYPE_CHECKING:
    from hermes.layer.content import Signature
    from hermes.registry.transports import Destination

NAMES: Final = ("Containerfile", "Dockerfile")
"""What a Dockerfile is called where nobody says, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class DockerfileOptions:
    """What to build and how.

    ``file`` is relative to where the command runs (default: one of `NAMES` in the context); ``text`` takes its place.
    ``contexts`` maps names to folders, ``oci:DIR``, names of images or labels. ``pull`` says when images are taken
    from their registries; see `hermes.api.dockerfile_origins.PULLS`. ``secrets`` say where secrets come
    from. ``destinations`` are ``TRANSPORT:PATH`` texts. ``seconds`` is the time of everything in the image.
    """

    context: str = "."
    file: str = ""
    text: str | None = None
    tags: Sequence[str] = ()
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    pull: str = PULL_MISSING
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    use_cache: bool = True
    network: str = "default"
    secrets: Sequence[SecretSource] = ()
    squash: bool = False
    destinations: Sequence[str] = ()
    ignore_file: str = ""
    format: str = "oci"
    jobs: int | None = None
    seconds: int | None = None
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class BuiltDockerfile:
    """``manifest`` is the image. ``executed`` are the kind and place (``Dockerfile:3``) of each action that ran."""

    manifest: Descriptor
    executed: tuple[tuple[str, str], ...]
    cached: int

    @property
    def digest(self) -> Digest:
        return self.manifest.digest


class Dockerfiles:
    """Builds Dockerfiles with the store at ``home``; ``say`` is told of warnings."""

    def __init__(
        self,
        *,
        home: Path | None = None,
        subscribers: Sequence[Subscriber] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = home or default_home()
        self._subscribers = tuple(subscribers)
        self._say = say

    def build(self, options: DockerfileOptions | None = None) -> BuiltDockerfile:
        """Build an image, name it and write it where it is to be written.

        Raises `HermesError`: `DockerfileError` when the Dockerfile is wrong, `BuildFailed` when an action failed.
        """
        return _Build(options or DockerfileOptions(), self.home, self._subscribers, self._say).run()

    def check(self, options: DockerfileOptions | None = None) -> list[str]:
        """Return what is better done otherwise, each with its place and lines; raises as `build` does."""
        return _Build(options or DockerfileOptions(), self.home, (), self._say).check()


class _Build:
    def __init__(
        self,
        options: DockerfileOptions,
        home: Path,
        subscribers: Sequence[Subscriber],
        say: Callable[[str], None],
    ) -> None:
        from hermes.image.reference import Reference

        self._options = options
        self._say = say
        self._tags = [Reference.parse(one) for one in options.tags]
        self._destinations = [*_destinations(options.destinations, home)]
        self._secrets = read_secrets(options.secrets) if options.secrets else {}
        self._events = Events(*subscribers)
        self._root = _folder(options.context)
        self._file, text = _dockerfile(options, self._root)
        self._dockerfile: Dockerfile = parse(os.path.basename(self._file) or "Dockerfile", text)
        self._store = Store.open(home)
        self._hidden = [one.variable for one in options.secrets]
        self._namespace = Namespace(self._hidden, PRELOADED)
        self._cancelled = threading.Event()
        self._fetching = Fetching(self._store, lambda: registries_of(None, home), self._cancelled)

    def run(self) -> BuiltDockerfile:
        try:
            with self._store.in_use():
                Containers(self._store, self._namespace).sweep()
                try:
                    return self._build()
                except BuildFailed as error:
                    if not any(isinstance(one, MissingBlobError) for one in error.failures.values()):
                        raise
                    return self._build()
        except (BuildInterrupted, KeyboardInterrupt):
            sweep_after(self._namespace, self._store)
            raise
        finally:
            self._fetching.close()
            self._namespace.close()
            self._store.close()

    def check(self) -> list[str]:
        try:
            with self._store.in_use():
                translation, _ = self._translated()
                text = self._dockerfile.text
                return [
                    f"{self._shown(one)}\n{text.excerpt(one.span)}" for one in self._findings(translation)
                ]
        finally:
            self._namespace.close()
            self._store.close()

    def _findings(self, translation: Translation) -> list[Finding]:
        return sorted([*findings(self._dockerfile), *translation.findings], key=lambda one: one.span)

    def _shown(self, finding: Finding) -> str:
        return f"{self._dockerfile.text.at(finding.span)}: {finding.message} [{finding.rule}]"

    def _translated(self) -> tuple[Translation, list[Context]]:
        """Return the actions, and the contexts that they take files from."""
        options = self._options
        context = self._context()
        platform = Platform.parse(options.platform) if options.platform else Platform.host()
        origins = NamedOrigins(
            self._store, options.contexts, options.pull, is_docker=options.format == "docker"
        )
        translation = translate(self._dockerfile, context, origins, self._chosen(platform))
        return translation, [context, *origins.contexts()]

    def _build(self) -> BuiltDockerfile:
        translation, contexts = self._translated()
        found = [self._shown(one) for one in self._findings(translation)]
        for warning in (*translation.warnings, *found):
            self._say(f"warning: {warning}")
        if found and Directive.of(self._dockerfile).fails:
            raise UsageError(
                f"{self._dockerfile.text.name}: {len(found)} checks failed, and its directive says that this is an error",
                hint="correct what the warnings say, or take error=true out of # check=",
            )
        if self._secrets:
            check_actions(translation.graph, self._secrets)
        sources = _Files(contexts, self._store)
        report = self._execute(translation, sources)
        sources.save(self._store)
        value = report.known[translation.manifest.action].outputs[translation.manifest.name]
        manifest = self._descriptor(value)
        self._publish(manifest)
        remember_keys(self._store, self._root, {name: report.known[name].key for name in report.executed})
        actions = translation.graph.actions
        executed = tuple((actions[name].kind, actions[name].owner) for name in report.executed)
        return BuiltDockerfile(manifest, executed, report.cached)

    def _chosen(self, platform: Platform) -> Options:
        from hermes.api.epoch import epoch

        options = self._options
        is_docker = options.format == "docker"
        if options.annotations and is_docker:
            self._say("warning: an image in Docker's format has no annotations; they are left out")
        return Options(
            target=options.target,
            arguments=options.arguments,
            platform=platform,
            network=options.network,
            secrets=frozenset(self._secrets),
            epoch=epoch() if options.seconds is None else options.seconds,
            labels=options.labels,
            annotations={} if is_docker else options.annotations,
            squash=options.squash,
            docker=is_docker,
            codec=GZIP if is_docker else ZSTD,
        )

    def _context(self) -> Context:
        ignored, name = ignored_in(self._root, self._file, self._options.ignore_file)
        return context_at(str(self._root), "", ignored, name)

    def _execute(self, translation: Translation, sources: _Files) -> Report:
        tools = Tools(
            self._store,
            Containers(self._store, self._namespace, self._options.runtime, self._fetching.layer),
            lambda: (),
            self._cancelled,
            secrets=self._secrets,
        )
        results: ResultCache = self._store.results if self._options.use_cache else _Fresh(self._store.results)
        caching = Caching(
            Local(tools),
            results,
            self._store.locks,
            lambda value: available(self._store, value),
            self._events,
        )

        def cancel() -> None:
            caching.cancelled = True
            tools.cancelled.set()
            self._namespace.close()

        jobs = self._options.jobs or len(os.sched_getaffinity(0))
        scheduler = Scheduler(caching, sources, SchedulerOptions(jobs), self._events)
        try:
            return scheduler.run(translation.graph, [translation.manifest.action], cancel=cancel)
        except BuildFailed as error:
            raise self._explained(error, translation) from None

    def _explained(self, error: BuildFailed, translation: Translation) -> BuildFailed:
        """Return the failures with the lines of the Dockerfile that they come from."""
        text = self._dockerfile.text
        failures: dict[str, HermesError] = {}
        for owner, one in error.failures.items():
            span = translation.spans.get(owner)
            failures[owner] = _with_excerpt(one, text.excerpt(span)) if span else one
        return BuildFailed(failures)

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
        for text, destination in self._destinations:
            self._fetching.complete(manifest.digest, text)
            destination.write(manifest, self._store, called)


def _destinations(texts: Sequence[str], home: Path) -> Iterator[tuple[str, Destination]]:
    if texts:
        from hermes.registry.transports import parse_destination

        registries = registries_of(None, home) if any(map(is_remote, texts)) else None
        for one in texts:
            yield one, parse_destination(one, registries)


class _Files:
    """The files of all contexts of a build; a source is the name of its context, a NUL and its path there. See `hermes.engine.scheduler.Sources`."""

    def __init__(self, contexts: Sequence[Context], store: Store) -> None:
        self._indexes: dict[str, tuple[FileIndex, Path]] = {}
        for one in contexts:
            root = Path(one.root)
            path = Snapshots(store.home, root).files
            self._indexes[one.name] = FileIndex.load(root, path), path

    def seen(self, path: str) -> tuple[Value, str, Signature]:
        name, _, inside = path.partition("\0")
        return self._indexes[name][0].seen(inside)

    def save(self, store: Store) -> None:
        for index, path in self._indexes.values():
            index.save(store, path)


class _Fresh:
    """A cache that knows only what was put into it: every action of a build runs once."""

    def __init__(self, inner: ResultCache) -> None:
        self._inner = inner
        self._put: set[str] = set()

    def get(self, key: str) -> bytes | None:
        return self._inner.get(key) if key in self._put else None

    def put(self, key: str, result: bytes, preimage: bytes) -> None:
        self._inner.put(key, result, preimage)
        self._put.add(key)

    def preimage(self, key: str) -> bytes | None:
        return self._inner.preimage(key)


def _with_excerpt(error: HermesError, excerpt: str) -> HermesError:
    if not isinstance(error, MissingBlobError):
        error.message = f"{error.message}\n{excerpt}"
    return error


def _folder(text: str) -> Path:
    if "://" in text or text.startswith("git@"):
        raise UsageError(f"the context {text} is not on this machine", hint="fetch it, and name the folder")
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        problem = "is a file" if path.exists() else "is not there"
        raise UsageError(f"the context {text} {problem}", hint="name the folder that COPY takes files from")
    return Path(os.path.realpath(path))


def _dockerfile(options: DockerfileOptions, root: Path) -> tuple[str, str]:
    """Return path and text of the Dockerfile."""
    if options.text is not None:
        return "", options.text
    if options.file:
        path = Path(options.file).expanduser()
        if not path.is_file() and not path.is_absolute() and (root / path).is_file():
            path = root / path
    else:
        found = [root / name for name in NAMES if (root / name).is_file()]
        if not found:
            raise UsageError(
                f"there is no Dockerfile in {options.context}",
                hint="name it with -f, or name another context",
            )
        path = found[0]
    try:
        return str(path), path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise UsageError(
            f"{options.file or path}: {error.strerror}", hint="name the Dockerfile with -f"
        ) from None

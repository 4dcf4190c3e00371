"""Runs the actions of one build, for every front end: the store, the namespace, connections, and what is remembered.

It does not know where actions come from: `hermes.build.targets` plans those of a workspace, and
`hermes.build.dockerfile.build` those of a Dockerfile.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from hermes.actions.about import about
from hermes.actions.local import IN_NAMESPACE, Expand, Local, available, can_travel
from hermes.actions.tools import Tools
from hermes.build.memory.keys import remember_keys, remember_parts
from hermes.container.calls import PRELOADED
from hermes.container.commands import Commands
from hermes.container.layer_forms import LayerForms
from hermes.container.removal import sweep_after
from hermes.digest import Digest
from hermes.engine.action import Action, ActionGraph, Value
from hermes.engine.events import ActionPrinted, BytesMoved, Events, Subscriber, Warned
from hermes.engine.executor import Caching, Executor, Request, Result, Slots
from hermes.engine.scheduler import LastResult, Options, Report, Scheduler, Sources
from hermes.errors import (
    BuildFailed,
    BuildInterrupted,
    HermesError,
    LayerError,
    MissingBlobError,
    RegistryError,
    StoreError,
)
from hermes.naming.registries import LazyBlobs, remote_of
from hermes.registry.settings import Registries
from hermes.sandbox.namespace import Namespace
from hermes.store import ResultCache, Store
from hermes.store.home import FOR_GC
from hermes.workspace.root import Settings

if TYPE_CHECKING:
    from hermes.build.cache.reading import SharedResults
    from hermes.build.remote.executor import RemoteExecutor
    from hermes.build.remote.results import RemoteResults
    from hermes.container.mount_values import Bound
    from hermes.naming.caches import CachePlace
    from hermes.node.registry import NpmRegistry
    from hermes.python.index import PackageIndex
    from hermes.remote.settings import RemoteChoice, RemoteSettings

T = TypeVar("T")

_LOOKUPS: Final = 14
"""How many results more are asked for at once than actions are executed, where a service is asked: a call takes a round trip."""
_ATTEMPTS: Final = 3
"""How often a build is begun where blobs that were taken for granted are gone."""


@dataclass(frozen=True, slots=True)
class Job:
    """A graph to run, and the outputs of which actions are ``wanted``.

    Of the actions in ``known`` only those in ``dirty`` are looked at (None: all are). ``root`` is the folder under
    which the keys of actions are remembered, by what ``called`` makes of their ids; ``expand`` maps kinds of action to
    what expands them. ``instruction`` gives the instruction of a Dockerfile that the owner of actions stands for, or
    nothing.
    """

    graph: ActionGraph
    wanted: Sequence[str]
    sources: Sources
    root: Path
    called: Callable[[str], str] = lambda name: name
    known: Mapping[str, LastResult] = field(default_factory=dict)
    dirty: Collection[str] | None = None
    expand: Mapping[str, Expand] = field(default_factory=dict)
    instruction: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class How:
    """How a build is run: what its options say, and for what they leave open the ``settings`` of ``hermes.yaml``.

    ``runtime`` and ``jobs`` are empty where the options say nothing. ``secrets`` maps ids to values, ``agents`` those
    of SSH agents to sockets. Without ``use_cache`` every action is executed once. ``caches`` are those of other machines
    that know results which this one does not. Actions for which ``again`` holds are executed whatever is known of them.
    ``links_outputs`` says that what is wanted is to be here when the build has ended. With ``verify`` every result is made
    again, and one that differs is an error.
    """

    settings: Settings
    runtime: str = ""
    jobs: int | None = None
    keep_going: bool = False
    use_cache: bool = True
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    agents: Mapping[str, str] = field(default_factory=dict)
    caches: Sequence[CachePlace] = ()
    again: Callable[[Action], bool] = lambda _: False
    remote: RemoteChoice | None = None
    links_outputs: bool = True
    verify: bool = False


class Driver:
    """See the module.

    ``hidden`` are variables of the environment that commands must not see, ``registries`` returns what is configured of
    registries. `run` opens and closes what this holds; it can be called once.
    """

    def __init__(
        self,
        home: Path,
        subscribers: Sequence[Subscriber],
        registries: Callable[[], Registries],
        hidden: Iterable[str] = (),
    ) -> None:
        self.store = Store.open(home)
        self.events = Events(*subscribers)
        self.cancelled = threading.Event()
        self._settings: RemoteSettings | None = None
        self.fetching = LazyBlobs(
            self.store,
            registries,
            self.cancelled,
            self.events.emit,
            remote=lambda: self._settings or remote_of(None, home),
        )
        self._namespace = Namespace(list(hidden), PRELOADED)
        self.layers = LayerForms(self.store, self._namespace, self._fetch)
        self._shared: SharedResults | None = None
        self._remote: RemoteExecutor | None = None
        self._remote_results: RemoteResults | None = None
        self.report = Report()

    def run(self, build: Callable[[bool], T]) -> T:
        """Return what ``build`` returns.

        Where a blob that was taken for granted turns out to be gone, it is called again, with True: everything is to be
        looked at.
        """
        try:
            with self.store.in_use(cache(lambda: self.events.emit(Warned(FOR_GC)))):
                self.layers.remover.sweep()
                try:
                    return self._built(build)
                finally:
                    if self.store.results.damaged:
                        self.events.emit(Warned("the result cache was damaged; a new one has been started"))
        except (BuildInterrupted, KeyboardInterrupt):
            sweep_after(self._namespace, self.store)
            raise
        finally:
            if self._shared is not None:
                self._shared.close()
            if any(moved := self.fetching.content.connections.traffic):
                self.events.emit(BytesMoved(*moved))
            if self._remote is not None:
                self._remote.close()
            if self._remote_results is not None:
                self._remote_results.close()
            self.fetching.close()
            self._namespace.close()
            self.store.close()

    def _built(self, build: Callable[[bool], T]) -> T:
        for attempt in range(_ATTEMPTS):
            try:
                return build(attempt > 0)
            except (BuildFailed, StoreError) as error:
                missing = _missing_blob(error)
                is_remote = missing is not None and missing.digest in self.fetching.content.lost
                if missing is None or (attempt and not is_remote):
                    raise
                self.events.emit(Warned(f"{missing.message}; building what gives it again"))
                if is_remote:
                    self._doubt_remote(attempt)
                else:
                    self.store.blobs.in_doubt = True
                    _restore(self.store, missing)
        return build(True)

    def _doubt_remote(self, attempt: int) -> None:
        """Take less from a service that has not had what it promised: at last nothing."""
        if attempt and self._remote_results is not None:
            self._remote_results.distrust()

    def execute(self, job: Job, how: How) -> Report:
        """Run the actions of a graph that have no result yet. ``report`` says what they did, also where this raises."""
        options = Options(_jobs(how), how.keep_going)
        caching, tools = self._executor(job, how)
        looked_at = job.graph.actions if job.dirty is None else job.dirty
        if any(job.graph.actions[name].kind in IN_NAMESPACE for name in looked_at):
            self._namespace.start()

        def cancel() -> None:
            caching.cancelled = True
            tools.cancelled.set()
            if self._remote is not None:
                self._remote.close()
            if self._remote_results is not None:
                self._remote_results.close()
            self._namespace.close()

        if self._remote_results is not None:
            options = replace(options, lookups=_LOOKUPS)
        if self._remote is not None:
            elsewhere = self._remote.settings.jobs
            options = replace(options, elsewhere=elsewhere, is_elsewhere=can_travel)
        scheduler = Scheduler(caching, job.sources, options, self.events)
        try:
            return scheduler.run(job.graph, job.wanted, known=job.known, dirty=job.dirty, cancel=cancel)
        finally:
            self.report = scheduler.report
            self._remember(job)
            if self._remote_results is not None:
                self._remote_results.flush()

    @property
    def leaves_outputs(self) -> bool:
        """Tell whether what the build gives may stay with a remote service."""
        from hermes.remote.settings import MINIMAL

        return self._settings is not None and self._settings.download == MINIMAL

    def commands(self, settings: Settings, runtime: str = "") -> Commands:
        """Return what runs commands: by ``runtime``, or as settings say."""
        return Commands(
            self.store,
            self._namespace,
            self.layers,
            runtime or settings.runtime,
            network=settings.network,
            warn=self._warn,
            emulators=settings.emulators,
            outbound=settings.outbound,
        )

    def _warn(self, text: str) -> None:
        self.events.emit(Warned(text))

    def _executor(self, job: Job, how: How) -> tuple[Caching, Tools]:
        def mirrors() -> Sequence[str]:
            from hermes.build.mirrors import mirrors

            return mirrors(how.settings)

        @cache
        def packages() -> PackageIndex:
            from hermes.build.package_index import package_index

            return package_index(how.settings, job.root, self.cancelled)

        @cache
        def npm_packages() -> NpmRegistry:
            from hermes.build.package_index import npm_registry

            return npm_registry(how.settings, job.root)

        tools = Tools(
            self.store,
            self.commands(how.settings, how.runtime),
            mirrors,
            self.cancelled,
            registry=lambda: self.fetching.client,
            packages=packages,
            npm_packages=npm_packages,
            secrets=how.secrets,
            agents=how.agents,
            subscriptions=_subscriptions(how.settings),
            warn=self._warn,
            printed=lambda one, text: self.events.emit(ActionPrinted(one.id, one.owner, one.kind, text)),
        )
        results: ResultCache = self.store.results if how.use_cache else _Fresh(self.store.results)
        if how.caches and how.use_cache:
            results = self._shared = self._sharing(how.caches, self._warn)
        remote = self._settings = _remote(how)
        if remote is not None and remote.cache and how.use_cache:
            results = self._sharing_with(remote, results, tools)
        executor: Executor = Local(tools, job.expand)
        slots = Slots(_jobs(how))

        def slot() -> AbstractContextManager[None]:
            return slots.taken(tools.check_cancelled)

        check: Callable[[Request, Result], Result] | None = None
        again: MadeAgain | None = None
        if how.verify or (remote is not None and remote.verify):
            from hermes.build.made_again import MadeAgain

            again = MadeAgain(executor, tools, slot)
        if again is not None and remote is not None and remote.verify:
            from hermes.build.remote.verifying import Verifier

            check = Verifier(again, remote.verify, tools.warn).check
        if remote is not None and remote.executor:
            from hermes.build.remote.executor import RemoteExecutor

            executor = self._remote = RemoteExecutor(
                executor, remote, tools, self.events, slot, self.fetching.content, check or _believed
            )
        if again is not None and how.verify:
            from hermes.build.made_again import Verified

            verified = Verified(executor, again)
            executor, check = verified, verified.check
        caching = Caching(
            executor,
            results,
            self.store.locks,
            self._is_available,
            self.events,
            lambda action: about(action, job.instruction(action.owner)),
            lambda action: nullcontext() if self._remote and can_travel(action) else slot(),
            again=how.again,
            is_left=lambda value: self.store.remote_blobs.of(value.digest) is not None,
            check=check,
        )
        return caching, tools

    def _sharing(self, places: Sequence[CachePlace], warn: Callable[[str], None]) -> SharedResults:
        if self._shared is not None:
            return self._shared
        from hermes.build.cache.reading import SharedResults

        return SharedResults(self.store.results, self.store, places, lambda: self.fetching.client, warn)

    def _sharing_with(self, remote: RemoteSettings, results: ResultCache, tools: Tools) -> RemoteResults:
        """Return the results of a service before which ``results`` are asked: the same ones for all runs of a build."""
        if self._remote_results is None:
            from hermes.build.remote.results import RemoteResults

            self._remote_results = RemoteResults(results, remote, tools, self.fetching.content)
        return self._remote_results

    def _is_available(self, value: Value) -> bool:
        if available(self.store, value) or self.fetching.content.has(value.digest):
            return True
        others = (self._shared, self._remote_results)
        return any(one is not None and one.vouches(value) for one in others)

    def _fetch(self, diff_id: Digest) -> None:
        """Fetch a layer; one that a cache spoke of and cannot give is built again."""
        try:
            self.fetching.layer(diff_id)
        except (RegistryError, LayerError, MissingBlobError) as error:
            if self._shared is not None:
                self._shared.check(diff_id, error)
            raise
        if self._shared is not None:
            self._shared.check(diff_id, None)

    def write_caches(self, actions: Iterable[Action], places: Sequence[CachePlace]) -> None:
        """Write what actions gave in the last run to where other machines read it."""
        from hermes.build.cache.writing import CacheWriter, written

        writer = CacheWriter(self.store, self.layers, actions, self.report.known)
        written(writer, places, self.fetching, self._warn)

    def _remember(self, job: Job) -> None:
        """Note for `hermes explain` which keys actions had, and what others stood for."""
        report, actions = self.report, job.graph.actions
        keys = {job.called(name): report.known[name].key for name in report.executed}
        remember_keys(self.store, job.root, keys)
        parts = {
            job.called(name): [(job.called(one), actions[one].kind) for one in listed]
            for name, listed in report.parts.items()
        }
        if parts:
            remember_parts(self.store, job.root, parts)


def _believed(_: Request, result: Result) -> Result:
    return result


def _jobs(how: How) -> int:
    return how.jobs or how.settings.jobs or len(os.sched_getaffinity(0))


def _remote(how: How) -> RemoteSettings | None:
    """Return who executes actions or knows results besides this machine; None for nobody."""
    if how.remote is None and how.settings.remote is None:
        return None
    from hermes.remote.settings import MINIMAL, TOPLEVEL, RemoteSettings

    found = how.settings.remote or RemoteSettings()
    if how.remote is not None:
        found = how.remote.over(found)
    if not (found.executor or found.cache):
        return None
    return found if found.download else replace(found, download=TOPLEVEL if how.links_outputs else MINIMAL)


def _subscriptions(settings: Settings) -> dict[str, list[Bound]]:
    """Map the names of subscriptions to what is mounted for them."""
    if not settings.subscriptions:
        return {}
    from hermes.container.mount_values import Bound

    return {
        one.name: [Bound(target, source) for source, target in one.folders] for one in settings.subscriptions
    }


class _Fresh:
    """A cache that knows only what was put into it: every action of a build runs once."""

    def __init__(self, inner: ResultCache) -> None:
        self._inner = inner
        self._put: set[str] = set()

    def get(self, key: str, image: bytes = b"", *, nearby: bool = False) -> bytes | None:
        del image, nearby
        return self._inner.get(key) if key in self._put else None

    def put(self, key: str, result: bytes, preimage: bytes) -> None:
        self._inner.put(key, result, preimage)
        self._put.add(key)

    def preimage(self, key: str) -> bytes | None:
        return self._inner.preimage(key)


def _restore(store: Store, missing: MissingBlobError) -> None:
    """Make a lost table of contents again where a blob of its layer is left: the layer need not come from an action."""
    from hermes.layer.importing import restore

    with contextlib.suppress(HermesError):  # then it is built, or the build says what is missing
        restore(store, Digest(missing.digest))


def _missing_blob(error: BuildFailed | StoreError) -> MissingBlobError | None:
    if isinstance(error, BuildFailed):
        return next((one for one in error.failures.values() if isinstance(one, MissingBlobError)), None)
    return error if isinstance(error, MissingBlobError) else None

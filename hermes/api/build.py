"""One build: look at what changed, analyze if need be, run the actions, link the outputs, remember."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes.actions.local import Local, available
from hermes.actions.tools import Tools
from hermes.api.explaining import remember_keys
from hermes.api.outputs import Outputs
from hermes.api.packed import pack_actions, pack_known, unpack_actions, unpack_known
from hermes.api.result import BuildResult
from hermes.api.snapshot import Changes, Check, Snapshots, State, changes, output_signature, signature
from hermes.api.wanted import Wanted
from hermes.container.core import Containers
from hermes.engine.action import Action, ActionGraph, Source
from hermes.engine.events import Events, Subscriber, Warned
from hermes.engine.executor import Caching
from hermes.engine.scheduler import Known, Options, Report, Scheduler
from hermes.errors import BuildFailed, BuildInterrupted, MissingBlobError, SourceError, StoreError
from hermes.sandbox.namespace import Namespace
from hermes.store import Store
from hermes.workspace.listing import Folders
from hermes.workspace.root import Settings, read_settings
from hermes.workspace.sources import FileIndex
from hermes.workspace.sources import Known as KnownFile

if TYPE_CHECKING:
    from hermes.api.workspace import BuildOptions, Workspace


@dataclass(slots=True)
class _Plan:
    """What is to be run, and what of it is known.

    ``analysis`` are the files that the graph itself depends on, ``folders`` and ``rules`` what else does.
    Of the actions in ``known`` only those in ``dirty`` need be looked at. ``intact`` are files that are as
    the snapshot ``before`` has them.
    """

    graph: ActionGraph
    wanted: list[Wanted]
    analysis: tuple[str, ...]
    folders: Mapping[str, tuple[tuple[int, int, int], str]]
    rules: Iterable[str]
    settings: Settings
    index: FileIndex
    known: Mapping[str, Known]
    dirty: Collection[str] | None
    before: tuple[Check, State] | None = None
    intact: Collection[str] = frozenset()

    @property
    def wanted_actions(self) -> list[str]:
        return list(dict.fromkeys(one.action for one in self.wanted if one.output))


class Build:
    """See the module."""

    def __init__(
        self,
        workspace: Workspace,
        patterns: Sequence[str],
        options: BuildOptions,
        key: str,
        subscribers: Sequence[Subscriber],
        say: Callable[[str], None],
    ) -> None:
        self._workspace = workspace
        self._root = workspace.root
        self._patterns = patterns
        self._options = options
        self._key = key
        self._events = Events(*subscribers)
        self._say = say
        self._store = Store.open(workspace.home)
        self._snapshots = Snapshots(workspace.home, workspace.root)
        self._namespace = Namespace()
        self._containers = Containers(self._store, self._namespace)

    def run(self) -> BuildResult:
        """Build; where a blob that was taken for granted turns out to be gone, look at everything again."""
        try:
            with self._store.in_use():
                self._containers.sweep()
                try:
                    return self._build(fresh=False)
                except (BuildFailed, StoreError) as error:
                    missing = _missing_blob(error)
                    if missing is None:
                        raise
                    self._events.emit(Warned(f"{missing.message}; building what gives it again"))
                    return self._build(fresh=True)
        except (BuildInterrupted, KeyboardInterrupt):
            self._clean_up()
            raise
        finally:
            self._namespace.close()
            self._store.close()

    def _clean_up(self) -> None:
        """Remove what was cut off in the namespace, whose processes had no time to do it."""
        self._namespace.close()
        again = Namespace()
        try:
            Containers(self._store, again).sweep()
        finally:
            again.close()

    def _build(self, *, fresh: bool) -> BuildResult:
        plan = None if fresh else self._unchanged_plan()
        plan = plan or self._analyzed_plan(fresh=fresh)
        report = self._execute(plan)
        outputs = Outputs(self._root, self._store, self._containers, plan.index)
        targets = outputs.link(plan.wanted, report.known)
        owners = dict.fromkeys(plan.graph.actions[name].owner for name in report.executed)
        result = BuildResult(tuple(owners), report.cached, targets)
        self._remember(plan, report.known, outputs.vouched, result)
        remember_keys(self._store, self._root, {name: report.known[name].key for name in report.executed})
        if self._store.results.damaged:
            self._events.emit(Warned("the result cache was damaged; a new one has been started"))
        return result

    # Planning.

    def _unchanged_plan(self) -> _Plan | None:
        """Return a plan from the last build's graph, if nothing that it depends on has changed."""
        check = self._snapshots.check(self._key)
        state = self._snapshots.state(self._key) if check else None
        if check is None or state is None:
            return None
        found = changes(check, str(self._root))
        index = FileIndex(self._root)
        changed = _changed(index, found.sources, state)
        settings = read_settings(self._root)
        folders = _same_names(Folders(self._root, settings.ignore), check, found)
        if found.rules or folders is None or not changed.isdisjoint(state.analysis):
            return None
        graph = unpack_actions(state.actions)
        dirty = [
            name for name, action in graph.actions.items() if not changed.isdisjoint(_sources_of(action))
        ]
        intact = state.sources.keys() - set(found.sources)
        for name in dirty:
            for path in _sources_of(graph.actions[name]):
                if path in intact:
                    index.remember(path, KnownFile(*check.sources[path], *state.sources[path]))
        wanted = [Wanted(*row) for row in state.wanted]
        known = unpack_known(state.known)
        return _Plan(
            graph,
            wanted,
            state.analysis,
            folders,
            check.rules,
            settings,
            index,
            known,
            dirty,
            (check, state),
            intact,
        )

    def _analyzed_plan(self, *, fresh: bool) -> _Plan:
        from hermes.api.session import Session, wanted_of

        session = Session.open(self._workspace, self._store, self._options, self._say)
        index = session.index
        labels = session.labels(self._patterns, self._workspace.package)
        targets = session.analysis.analyze(labels)
        session.warn_unused()
        graph = session.analysis.graph
        folders = {
            path: (listing.signature, listing.digest) for path, listing in session.folders.seen.items()
        }
        plan = _Plan(
            graph,
            wanted_of(targets),
            tuple(index.used),
            folders,
            session.packages.rule_files,
            session.settings,
            index,
            {},
            None,
        )
        if not fresh and (state := self._snapshots.state(self._key)):
            plan.known = unpack_known(state.known)
            before = unpack_actions(state.actions).actions
            plan.dirty = [
                name
                for name, action in graph.actions.items()
                if before.get(name) != action
                or name not in plan.known
                or _changed(index, _sources_of(action), state)
            ]
        return plan

    # Running and remembering.

    def _execute(self, plan: _Plan) -> Report:
        from hermes.api.mirrors import mirrors

        tools = Tools(self._store, self._containers, lambda: mirrors(plan.settings), threading.Event())
        caching = Caching(
            Local(tools),
            self._store.results,
            self._store.locks,
            lambda value: available(self._store, value),
            self._events,
        )

        def cancel() -> None:
            caching.cancelled = True
            tools.cancelled.set()
            self._namespace.close()

        jobs = self._options.jobs or plan.settings.jobs or len(os.sched_getaffinity(0))
        scheduler = Scheduler(caching, plan.index, Options(jobs, self._options.keep_going), self._events)
        return scheduler.run(
            plan.graph, plan.wanted_actions, known=plan.known, dirty=plan.dirty, cancel=cancel
        )

    def _remember(
        self, plan: _Plan, known: Mapping[str, Known], vouched: Sequence[str], result: BuildResult
    ) -> None:
        """Write what the next build needs to see that nothing changed; without it, it looks at everything."""
        needed = plan.graph.closure(plan.wanted_actions)
        check = Check(
            folders=dict(plan.folders),
            rules={path: signature(path) for path in plan.rules},
            outputs={path: output_signature(path) for path in vouched},
            cached=len(needed),
            targets=result.targets,
        )
        state = State(
            analysis=plan.analysis,
            actions=pack_actions(plan.graph.actions[name] for name in needed),
            known=pack_known({name: known[name] for name in needed}),
            wanted=[tuple(one) for one in plan.wanted],
        )
        for path in dict.fromkeys(_all_sources(plan, needed)):
            if plan.before is not None and path in plan.intact:
                check.sources[path] = plan.before[0].sources[path]
                state.sources[path] = plan.before[1].sources[path]
            else:
                row = plan.index.known(path)
                check.sources[path] = plan.index.lasting(path).signature
                state.sources[path] = row.kind, str(row.digest)
        if plan.before is None:
            plan.index.save(self._store, self._snapshots.files)
        try:
            self._snapshots.save(self._store, self._key, check, state)
        except StoreError as error:
            self._events.emit(Warned(f"the next build will look at everything again: {error.message}"))


def _sources_of(action: Action) -> Iterator[str]:
    return (one.artifact.path for one in action.inputs if type(one.artifact) is Source)


def _all_sources(plan: _Plan, needed: Iterable[str]) -> Iterator[str]:
    yield from plan.analysis
    yield from (one.action for one in plan.wanted if not one.output)
    for name in needed:
        yield from _sources_of(plan.graph.actions[name])


def _changed(index: FileIndex, paths: Iterable[str], state: State) -> set[str]:
    """Return those of ``paths`` whose content or kind is not what it was."""
    changed = set()
    for path in paths:
        try:
            row = index.known(path)
        except SourceError:
            changed.add(path)
        else:
            if (row.kind, row.digest) != state.sources.get(path):
                changed.add(path)
    return changed


def _same_names(
    folders: Folders, check: Check, found: Changes
) -> dict[str, tuple[tuple[int, int, int], str]] | None:
    """Return the folders of a check, brought up to date, or None if a name in one of them changed."""
    current = dict(check.folders)
    for path in found.folders:
        try:
            listing = folders.listing(path)
        except SourceError:
            return None
        if listing.digest != current[path][1]:
            return None
        current[path] = listing.signature, listing.digest
    return current


def _missing_blob(error: BuildFailed | StoreError) -> MissingBlobError | None:
    if isinstance(error, BuildFailed):
        return next((one for one in error.failures.values() if isinstance(one, MissingBlobError)), None)
    return error if isinstance(error, MissingBlobError) else None

"""One build: find out what there is to do, do it, link the outputs, remember."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hermes.actions.local import DOCKERFILE, IN_NAMESPACE, Local, available
from hermes.actions.tools import Tools
from hermes.build.memory.keys import remember_keys, remember_parts
from hermes.build.memory.snapshot import Changes, Check, Snapshots
from hermes.build.memory.unchanged import UnchangedPlan
from hermes.build.outputs import Outputs, in_one_place
from hermes.build.plan import Plan, Work
from hermes.build.result import BuildResult
from hermes.build.secrets import check_actions
from hermes.container.core import PRELOADED, Containers, sweep_after
from hermes.container.task import Bound
from hermes.engine.action import ActionGraph
from hermes.engine.events import Events, Subscriber, Warned
from hermes.engine.executor import Caching
from hermes.engine.scheduler import Options, Report, Scheduler
from hermes.errors import BuildFailed, BuildInterrupted, MissingBlobError, StoreError
from hermes.naming.registries import Fetching
from hermes.sandbox.namespace import Namespace
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.api.workspace import Workspace
    from hermes.build.dockerfile.targets import DockerfileTargets
    from hermes.build.options import BuildOptions


class Build:
    """See the module.

    ``key`` names the snapshot of this build, ``secrets`` maps ids to values, ``say`` is told what BUILD files
    print.
    """

    def __init__(
        self,
        workspace: Workspace,
        patterns: Sequence[str],
        options: BuildOptions,
        key: str,
        secrets: Mapping[str, bytes],
        subscribers: Sequence[Subscriber],
        say: Callable[[str], None],
    ) -> None:
        self._workspace = workspace
        self._root = workspace.root
        self._patterns = patterns
        self._options = options
        self._key = key
        self._secrets = secrets
        self._events = Events(*subscribers)
        self._say = say
        self._store = Store.open(workspace.home)
        self._snapshots = Snapshots(workspace.home, workspace.root)
        self._hidden = [one.variable for one in options.secrets]
        self._namespace = Namespace(self._hidden, PRELOADED)
        self._containers = Containers(self._store, self._namespace)

    def run(self, check: Check | None, found: Changes | None) -> BuildResult:
        """Build. ``found`` is how the disk differs from the ``check`` of the last build, if there is one.

        Where a blob that was taken for granted turns out to be gone, everything is looked at again.
        """
        try:
            with self._store.in_use():
                self._containers.sweep()
                try:
                    return self._build(self._plan(check, found))
                except (BuildFailed, StoreError) as error:
                    missing = _missing_blob(error)
                    if missing is None:
                        raise
                    self._events.emit(Warned(f"{missing.message}; building what gives it again"))
                    return self._build(self._analyzed(fresh=True))
        except (BuildInterrupted, KeyboardInterrupt):
            sweep_after(self._namespace, self._store)
            raise
        finally:
            self._namespace.close()
            self._store.close()

    def _plan(self, check: Check | None, found: Changes | None) -> Plan:
        if check is not None and found is not None and (state := self._snapshots.state(self._key, check)):
            unchanged = UnchangedPlan.make(self._root, self._store.home, check, state, found)
            if unchanged is not None:
                return unchanged
        return self._analyzed(fresh=False)

    def _analyzed(self, *, fresh: bool) -> Plan:
        from hermes.build.analyzed import AnalyzedPlan
        from hermes.build.session import Session

        session = Session.open(self._workspace, self._store, self._options, self._say)
        state = None if fresh else self._snapshots.state(self._key)
        return AnalyzedPlan.make(session, self._patterns, self._workspace.package, state)

    def _build(self, plan: Plan) -> BuildResult:
        work = plan.work
        if self._secrets:
            check_actions(work.graph, self._secrets)
        report = self._execute(plan)
        outputs = Outputs(self._root, self._store, self._containers, work.index)
        linked = outputs.link(work.wanted, report.known, work.before, work.changed)
        for one, other, path in in_one_place(linked.targets):
            where = os.path.relpath(path, self._root)
            self._events.emit(
                Warned(f"{one} and {other} both give {where}, where only one can be: build one at a time")
            )
        parts = {one for listed in report.parts.values() for one in listed}
        owners = dict.fromkeys(
            work.graph.actions[name].owner for name in report.executed if name not in parts
        )
        cached = work.total + len(parts) - len(report.executed)
        result = BuildResult(tuple(owners), cached, linked.targets)
        try:
            check, state = plan.snapshot(report.known, linked)
            self._snapshots.save(self._store, self._key, check, state, plan.before)
            work.index.save(self._store, self._snapshots.files)
        except StoreError as error:
            self._events.emit(Warned(f"the next build will look at everything again: {error.message}"))
        if self._store.results.damaged:
            self._events.emit(Warned("the result cache was damaged; a new one has been started"))
        return result

    def _execute(self, plan: Plan) -> Report:
        work = plan.work

        def mirrors() -> Sequence[str]:
            from hermes.build.mirrors import mirrors

            return mirrors(work.settings)

        runtime = self._options.runtime or work.settings.runtime
        cancelled = threading.Event()
        fetching = Fetching(self._store, lambda: work.settings.registries, cancelled, self._events.emit)
        tools = Tools(
            self._store,
            Containers(self._store, self._namespace, runtime, fetching.layer),
            mirrors,
            cancelled,
            registry=lambda: fetching.client,
            secrets=self._secrets,
            subscriptions={
                one.name: [Bound(target, source) for source, target in one.folders]
                for one in work.settings.subscriptions
            },
        )
        dockerfiles = self._dockerfiles(work)
        caching = Caching(
            Local(tools, {DOCKERFILE: dockerfiles.expand} if dockerfiles else {}),
            self._store.results,
            self._store.locks,
            lambda value: available(self._store, value),
            self._events,
        )

        looked_at = work.graph.actions if work.dirty is None else work.dirty
        if any(work.graph.actions[name].kind in IN_NAMESPACE for name in looked_at):
            self._namespace.start()

        def cancel() -> None:
            caching.cancelled = True
            tools.cancelled.set()
            self._namespace.close()

        jobs = self._options.jobs or work.settings.jobs or len(os.sched_getaffinity(0))
        scheduler = Scheduler(caching, work.index, Options(jobs, self._options.keep_going), self._events)
        try:
            return scheduler.run(
                work.graph, work.wanted_actions, known=work.known, dirty=work.dirty, cancel=cancel
            )
        except BuildFailed as error:
            if dockerfiles is not None:
                dockerfiles.explain(error)
            if self._options.keep_going:
                self._link_done(work, scheduler.report)
            work.index.save(self._store, self._snapshots.files)
            raise
        finally:
            fetching.close()
            self._remember(scheduler.report, work.graph)

    def _link_done(self, work: Work, report: Report) -> None:
        """Link what a build gave that failed elsewhere; what is not in its report is as it was, or was not built."""
        done = [one for one in work.wanted if one.output and one.action in report.known]
        Outputs(self._root, self._store, self._containers, work.index).link(done, report.known)

    def _remember(self, report: Report, graph: ActionGraph) -> None:
        remember_keys(self._store, self._root, {name: report.known[name].key for name in report.executed})
        remember_parts(
            self._store,
            self._root,
            {
                name: [(one, graph.actions[one].kind) for one in listed]
                for name, listed in report.parts.items()
            },
        )

    def _dockerfiles(self, work: Work) -> DockerfileTargets | None:
        """Return what expands the targets that have Dockerfiles, if there may be any to build."""
        if not any(action.kind == DOCKERFILE for action in work.graph.actions.values()):
            return None
        from hermes.build.dockerfile.targets import DockerfileTargets

        return DockerfileTargets(self._store, self._secrets, lambda text: self._events.emit(Warned(text)))


def _missing_blob(error: BuildFailed | StoreError) -> MissingBlobError | None:
    if isinstance(error, BuildFailed):
        return next((one for one in error.failures.values() if isinstance(one, MissingBlobError)), None)
    return error if isinstance(error, MissingBlobError) else None

"""One build of targets: find out what there is to do, do it, link the outputs, remember."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from hermes.actions.local import DOCKERFILE, S2I, Expand
from hermes.build.driver import Driver, How, Job
from hermes.build.memory.records import DamagedRecord, Memory
from hermes.build.memory.snapshot import Changes, Check, Snapshots
from hermes.build.outputs import Linked, Outputs, in_one_place
from hermes.build.plan import Plan, Work
from hermes.build.result import BuildResult, BuiltOutput
from hermes.build.secrets import check_actions
from hermes.build.touched import Asked, TouchedPlan
from hermes.engine.events import Subscriber, Warned
from hermes.engine.scheduler import Report
from hermes.errors import BuildFailed, HermesError, StoreError
from hermes.naming.registries import registries_of
from hermes.workspace.location import OUTPUT_FOLDER, Location

if TYPE_CHECKING:
    from hermes.build.dockerfile.targets import DockerfileTargets
    from hermes.build.options import BuildOptions
    from hermes.naming.caches import CachePlace


class TargetsBuild:
    """Builds what ``patterns`` mean at a place of a workspace.

    ``key`` names the snapshot of this build, ``secrets`` maps ids to values, ``say`` is told what BUILD files
    print.
    """

    def __init__(
        self,
        where: Location,
        patterns: Sequence[str],
        options: BuildOptions,
        key: str,
        secrets: Mapping[str, bytes],
        subscribers: Sequence[Subscriber],
        say: Callable[[str], None],
    ) -> None:
        self._where = where
        self._root = where.root
        self._patterns = patterns
        self._options = options
        self._key = key
        self._secrets = secrets
        self._say = say
        self._snapshots = Snapshots(where.home, where.root)
        hidden = [one.variable for one in options.secrets]
        registries = partial(registries_of, where.root, where.home)
        self._driver = Driver(where.home, subscribers, registries, hidden)
        self._store = self._driver.store
        self._broken: dict[str, HermesError] = {}

    def run(self, check: Check | None, found: Changes | None) -> BuildResult:
        """Build. ``found`` is how the disk differs from the ``check`` of the last build, if there is one."""

        def build(fresh: bool) -> BuildResult:
            if self._is_fresh or self._options.verify:
                return self._build(self._analyzed(None, None))
            with self._snapshots.memory(self._key) as memory:
                return self._build(self._analyzed(None, None) if fresh else self._plan(memory, check, found))

        return self._driver.run(build)

    def _plan(self, memory: Memory | None, check: Check | None, found: Changes | None) -> Plan:
        intact = None
        if memory and check is not None and found is not None and memory.name == check.state:
            intact = None if found.outputs else check
            asked = Asked(self._where, self._store, self._patterns, self._options, self._say, self._broken)
            whole = self._options.cache_to or self._options.tests
            plan = None if whole else TouchedPlan.make(asked, memory, check, found)
            if plan is not None:
                return plan
        return self._analyzed(memory, intact)

    def _analyzed(self, memory: Memory | None, intact: Check | None) -> Plan:
        from hermes.build.analyzed import AnalyzedPlan
        from hermes.build.session import Session, without_collection

        with without_collection():
            session = Session.open(self._root, self._store, self._options, self._say)
            if not self._options.keep_going:
                return AnalyzedPlan.make(session, self._patterns, self._where.package, memory, intact)
            labels = session.labels(self._patterns, self._where.package, self._broken)
            if not self._broken:
                with suppress(HermesError):
                    return AnalyzedPlan.of(session, labels, memory, intact)
            from hermes.build.keeping import sound

            labels = sound(session, labels, self._broken)
            if not labels:
                raise BuildFailed(self._broken)
            return AnalyzedPlan.of(session, labels, memory, None)

    def _build(self, plan: Plan) -> BuildResult:
        work = plan.work
        if self._secrets:
            check_actions(work.graph, self._secrets)
        report = self._execute(work)
        if self._options.cache_to:
            self._write_caches(work)
        linked = self._linked(work, report)
        for one, other, path in in_one_place(linked.targets):
            where = os.path.relpath(path, self._root)
            self._warn(f"{one} and {other} both give {where}, where only one can be: build one at a time")
        if self._broken:
            raise BuildFailed(self._broken)
        parts = {one for listed in report.parts.values() for one in listed}
        owners = dict.fromkeys(
            work.graph.actions[name].owner for name in report.executed if name not in parts
        )
        cached = work.total + len(parts) - len(report.executed)
        result = BuildResult(tuple(owners), cached, linked.targets)
        try:
            if not linked.is_there or self._is_fresh or self._options.verify or not report.lasting:
                return result
            check, update = plan.snapshot(report.known, linked)
            self._snapshots.save(self._store, self._key, check, update)
            work.index.save(self._store, self._snapshots.files)
        except DamagedRecord:
            self._snapshots.forget(self._key)
        except StoreError as error:
            self._warn(f"the next build will look at everything again: {error.message}")
        return result

    def _execute(self, work: Work) -> Report:
        dockerfiles = self._dockerfiles(work)
        job = Job(
            work.graph,
            work.wanted_actions,
            work.index,
            self._root,
            known=work.known,
            dirty=work.dirty,
            expand=self._expanders(work, dockerfiles),
            instruction=dockerfiles.instruction if dockerfiles else lambda _: "",
        )
        options = self._options
        how = How(
            work.settings,
            options.runtime,
            options.jobs,
            options.keep_going,
            secrets=self._secrets,
            caches=_caches(options),
            again=lambda action: self._is_fresh and action.kind == "test",
            remote=options.remote,
            links_outputs=not options.taken_from_store,
            verify=options.verify,
        )
        try:
            return self._driver.execute(job, how)
        except BuildFailed as error:
            if dockerfiles is not None:
                dockerfiles.explain(error)
            self._locate(error)
            if options.keep_going or options.tests:
                error.done = self._link_done(work, self._driver.report)
            work.index.save(self._store, self._snapshots.files)
            if self._broken:
                raise BuildFailed({**self._broken, **error.failures}, error.skipped, error.done) from error
            raise

    def _write_caches(self, work: Work) -> None:
        from hermes.naming.caches import cache_to

        places = [cache_to(text) for text in self._options.cache_to]
        self._driver.write_caches(work.graph.actions.values(), places)

    def _linked(self, work: Work, report: Report) -> Linked:
        """Link what was built, or warn that it cannot be linked where it is of use without."""
        outputs, options = self._outputs(work), self._options
        if (options.taken_from_store or options.destinations) and not outputs.could_be_linked():
            self._warn(f"{self._root}/{OUTPUT_FOLDER} cannot be written, and is left as it is")
            return outputs.unlinked(work.wanted, report.known)
        return outputs.link(work.wanted, report.known, work.before, work.changed)

    def _locate(self, error: BuildFailed) -> None:
        """Say of targets that failed where they are declared."""
        from hermes.build.session import Session
        from hermes.graph.label import Label

        session = Session.open(self._root, self._store, self._options, lambda _: None)
        for owner, one in error.failures.items():
            if one.location is None:
                with suppress(HermesError):  # an owner that is a line of a Dockerfile says itself where it is
                    target = session.packages.target(Label.parse(owner))
                    one.location = target.location()._replace(text="") if target else None

    def _outputs(self, work: Work) -> Outputs:
        leaves = self._driver.leaves_outputs
        return Outputs(
            self._root,
            self._store,
            self._driver.layers,
            work.index,
            self._driver.fetching.content,
            leaves=leaves,
        )

    def _link_done(self, work: Work, report: Report) -> Mapping[str, Sequence[BuiltOutput]]:
        """Link the outputs of a build that failed elsewhere; others are as they were, or were not built."""
        done = [one for one in work.wanted if one.output and one.action in report.known]
        return self._outputs(work).link(done, report.known).targets

    @property
    def _is_fresh(self) -> bool:
        """Tell whether it does not matter what is known of earlier runs of tests."""
        return self._options.tests is not None and self._options.tests.is_fresh

    def _dockerfiles(self, work: Work) -> DockerfileTargets | None:
        """Return what expands the targets that have Dockerfiles, if there may be any to build."""
        if not any(action.kind == DOCKERFILE for action in work.graph.actions.values()):
            return None
        from hermes.build.dockerfile.targets import DockerfileTargets

        return DockerfileTargets(self._store, self._secrets, self._warn)

    def _expanders(self, work: Work, dockerfiles: DockerfileTargets | None) -> dict[str, Expand]:
        """Return what expands the actions of this build, by their kinds."""
        found: dict[str, Expand] = {DOCKERFILE: dockerfiles.expand} if dockerfiles else {}
        if any(action.kind == S2I for action in work.graph.actions.values()):
            from hermes.build.s2i.targets import S2ITargets

            found[S2I] = S2ITargets(self._store, self._warn).expand
        return found

    def _warn(self, text: str) -> None:
        self._driver.events.emit(Warned(text))


def _caches(options: BuildOptions) -> Sequence[CachePlace]:
    if not options.cache_from:
        return ()
    from hermes.naming.caches import cache_from

    return [cache_from(text) for text in options.cache_from]

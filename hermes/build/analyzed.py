"""The plan of a build that evaluates the BUILD files and calls the rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from hermes.build.changed import changed_sources, linked_before
from hermes.build.keeping import all_of_package
from hermes.build.memory.packed import pack_actions, pack_known, sources_of, unpack_known
from hermes.build.memory.records import (
    OUTSIDE,
    DamagedRecord,
    FileRow,
    Memory,
    Record,
    TargetRow,
    Update,
    WantedRow,
    owner,
    owner_of_folder,
)
from hermes.build.memory.signatures import Signatures, output_signature, signature
from hermes.build.memory.snapshot import Check, FolderRow
from hermes.build.outputs import Linked
from hermes.build.plan import Work
from hermes.build.requested_outputs import Wanted
from hermes.build.session import Session, wanted_of
from hermes.build.traces import Tracer, text_of
from hermes.dsl.configured import Configured
from hermes.engine.action import Source
from hermes.engine.scheduler import LastResult
from hermes.errors import HermesError
from hermes.graph.label import Label
from hermes.workspace.listing import Folders


class AnalyzedPlan:
    """See `hermes.build.plan.Plan`."""

    def __init__(self, session: Session, work: Work, wanted: Sequence[Configured]) -> None:
        self.work = work
        self._session = session
        self._wanted = wanted
        self._outputs = Signatures.of({})
        self._analysis_files = tuple(session.index.used)

    @classmethod
    def make(
        cls,
        session: Session,
        patterns: Sequence[str],
        package: str,
        memory: Memory | None,
        intact: Check | None,
    ) -> AnalyzedPlan:
        """Analyze what the patterns name; an error is told with all others of its BUILD file.

        With the ``memory`` of the last build equal actions are known, and equal outputs with its check, if what it
        linked is ``intact``.
        """
        labels = session.labels(patterns, package)
        try:
            return cls.of(session, labels, memory, intact)
        except HermesError as error:
            raise all_of_package(session, labels, error) from error

    @classmethod
    def of(
        cls, session: Session, labels: Sequence[Label], memory: Memory | None, intact: Check | None
    ) -> AnalyzedPlan:
        """Analyze targets; see `make`."""
        targets = session.analysis.analyze(labels)
        session.warn_unused(session.analysis.unused_values)
        graph = session.analysis.graph
        wanted = wanted_of(targets, tested=session.is_testing)
        total = len(graph.closure(one.action for one in wanted if one.output))
        work = Work(graph, wanted, total, session.settings, session.index, {})
        plan = cls(session, work, session.analysis.configure(labels))
        if memory is not None:
            _compare(work, memory)
        if memory is not None and intact is not None and work.dirty is not None:
            plan._keep_linked(
                memory, intact, [wanted_of([target], tested=session.is_testing) for target in targets]
            )
        return plan

    def _keep_linked(self, memory: Memory, intact: Check, wanted: list[list[Wanted]]) -> None:
        """Take over those outputs of the last build that are wanted again, and are still there."""
        work = self.work
        rows = (tuple(cast("WantedRow", tuple(one)) for one in listed) for listed in wanted)
        work.before = linked_before(memory, intact, zip(map(text_of, self._wanted), rows, strict=True))
        files = (one.action for one in work.wanted if not one.output)
        work.changed = changed_sources(work.index, files, memory.file)
        self._outputs = intact.outputs

    def snapshot(self, known: dict[str, LastResult], linked: Linked) -> tuple[Check, Update]:
        """See `hermes.build.plan.Plan`."""
        work, index = self.work, self.work.index
        needed = work.graph.closure(work.wanted_actions)
        sources = list(dict.fromkeys(self._sources(needed)))
        check = Check(
            Signatures.of({path: index.lasting(path).signature for path in sources}),
            self._folders(),
            Signatures.of({path: signature(path) for path in self._session.packages.modules.rule_files}),
            self._outputs.with_rows({path: output_signature(path) for path in linked.vouched}),
            len(needed),
            linked.targets,
            linked.is_whole,
        )
        return check, self._update({name: known[name] for name in needed}, sources)

    def _update(self, known: dict[str, LastResult], sources: Sequence[str]) -> Update:
        """Return rows and records of all packages, where ``known`` are the results of the actions that are needed."""
        session = self._session
        packages = session.packages.loaded
        tracer = Tracer(session, packages)
        records = {OUTSIDE: Record(), **{name: Record() for name in packages}}
        targets: dict[str, dict[str, TargetRow]] = {name: {} for name in packages}
        is_wanted = set(self._wanted)
        for key in session.analysis.nodes:
            package, text = key.label.package, text_of(key)
            row, provided, actions = tracer.target(key, wanted=key in is_wanted)
            idle = tuple(name for name in actions if name not in known)
            targets[package][text] = row._replace(idle=idle)
            record = records[package]
            record.provided[text] = provided
            record.actions.update(actions)
            record.known.update(pack_known({name: known[name] for name in actions if name in known}))
        for path in sources:
            records[owner(packages, path)].files[path] = session.index.lasting(path).row
        for folder, listing in session.folders.seen.items():
            records[owner_of_folder(packages, folder)].listings[folder] = listing.row
        finals: dict[str, dict[str, str]] = {name: {} for name in packages}
        for asked, final in session.analysis.platforms.items():
            if asked != final:
                finals[asked.label.package][text_of(asked)] = text_of(final)
        rows = {
            name: tracer.package(package, finals[name], targets[name]) for name, package in packages.items()
        }
        wanted = tuple(map(text_of, self._wanted))
        return Update(rows, wanted, session.settings_files, records)

    def _folders(self) -> dict[str, FolderRow]:
        """Return the folders that were looked at; the build itself may have put its output folder in the root."""
        seen = self._session.folders.seen
        rows = {path: (listing.signature, listing.digest) for path, listing in seen.items()}
        now = Folders(self._session.root, self._session.settings.ignore).listing("")
        if "" in rows and rows[""][1] == now.digest:
            rows[""] = now.signature, now.digest
        return rows

    def _sources(self, needed: Sequence[str]) -> Iterator[str]:
        yield from self._analysis_files
        yield from (one.action for one in self.work.wanted if not one.output)
        for name in needed:
            for one in self.work.graph.actions[name].inputs:
                if type(one.artifact) is Source:
                    yield one.artifact.path


def _compare(work: Work, memory: Memory) -> None:
    """Note which actions are those of the last build, with the same sources."""
    known: dict[str, LastResult] = {}
    same: set[str] = set()
    actions = work.graph.actions
    try:
        for record in memory.every():
            files = record.files

            def file(path: str, files: Mapping[str, FileRow] = files) -> FileRow | None:
                return files.get(path) or memory.file(path)

            for name, row in record.actions.items():
                action = actions.get(name)
                if action is None or name not in record.known:
                    continue
                if pack_actions((action,)) == [row] and not changed_sources(
                    work.index, sources_of(row), file
                ):
                    same.add(name)
            known.update(unpack_known(record.known, record.known))
    except DamagedRecord:
        return
    work.known = known
    work.dirty = [name for name in actions if name not in same]

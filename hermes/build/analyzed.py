"""The plan of a build that evaluates the BUILD files and calls the rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hermes.build.memory.packed import pack_actions, pack_known, unpack_actions, unpack_known
from hermes.build.memory.signatures import Signatures, output_signature, signature
from hermes.build.memory.snapshot import Check, FolderRow, Graph, State
from hermes.build.outputs import Linked
from hermes.build.plan import Work
from hermes.build.session import Session, wanted_of
from hermes.build.unchanged import changed_sources
from hermes.engine.action import Action, Source
from hermes.engine.scheduler import Known
from hermes.workspace.listing import Folders


class AnalyzedPlan:
    """See `hermes.build.plan.Plan`."""

    def __init__(self, session: Session, work: Work) -> None:
        self.work = work
        self.before: State | None = None
        self._session = session
        self._analysis_files = tuple(session.index.used)

    @classmethod
    def make(
        cls, session: Session, patterns: Sequence[str], package: str, state: State | None
    ) -> AnalyzedPlan:
        """Analyze what the patterns name. With the ``state`` of the last build, equal actions are known."""
        targets = session.analysis.analyze(session.labels(patterns, package))
        session.warn_unused()
        graph = session.analysis.graph
        wanted = wanted_of(targets)
        total = len(graph.closure(one.action for one in wanted if one.output))
        work = Work(graph, wanted, total, session.settings, session.index, {})
        plan = cls(session, work)
        if state is not None:
            _compare(work, state)
        return plan

    def snapshot(self, known: dict[str, Known], linked: Linked) -> tuple[Check, State]:
        """See `hermes.build.plan.Plan`."""
        work, index = self.work, self.work.index
        needed = work.graph.closure(work.wanted_actions)
        sources, contents = {}, {}
        for path in dict.fromkeys(self._sources(needed)):
            row = index.known(path)
            sources[path] = index.lasting(path).signature
            contents[path] = row.kind, str(row.digest)
        check = Check(
            Signatures.of(sources),
            self._folders(),
            Signatures.of({path: signature(path) for path in self._session.packages.rule_files}),
            Signatures.of({path: output_signature(path) for path in linked.vouched}),
            len(needed),
            linked.targets,
        )
        actions = pack_actions(work.graph.actions[name] for name in needed)
        graph = Graph(self._analysis_files, actions, [tuple(one) for one in work.wanted])
        return check, State(contents, pack_known({name: known[name] for name in needed}), graph)

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
            yield from _sources_of(self.work.graph.actions[name])


def _compare(work: Work, state: State) -> None:
    """Note which actions are those of the last build, with the same sources."""
    work.known = unpack_known(state.known, state.known)
    before = unpack_actions(state.graph.actions).actions
    work.dirty = [
        name
        for name, action in work.graph.actions.items()
        if before.get(name) != action
        or name not in work.known
        or changed_sources(work.index, _sources_of(action), state)
    ]


def _sources_of(action: Action) -> Iterator[str]:
    return (one.artifact.path for one in action.inputs if type(one.artifact) is Source)

"""The plan of a build whose targets are those of the last one: only sources have other bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hermes.build.memory.packed import affected, pack_known, unpack_actions, unpack_known
from hermes.build.memory.signatures import Signatures, output_signature
from hermes.build.memory.snapshot import Changes, Check, FolderRow, State
from hermes.build.outputs import Linked
from hermes.build.plan import Work
from hermes.build.result import BuiltOutput
from hermes.build.wanted import Wanted
from hermes.engine.action import ActionGraph, Source
from hermes.engine.scheduler import Known
from hermes.errors import SourceError
from hermes.workspace.listing import Folders
from hermes.workspace.root import read_settings
from hermes.workspace.sources import FileIndex
from hermes.workspace.sources import Known as KnownFile


class UnchangedPlan:
    """See `hermes.build.plan.Plan`. Everything but what changed is taken over from the last snapshot."""

    def __init__(
        self, work: Work, check: Check, state: State, found: Changes, folders: dict[str, FolderRow]
    ) -> None:
        self.work = work
        self._names = tuple(work.graph.actions)
        self._check = check
        self._state = state
        self.before: State | None = state
        self._found = found
        self._folders = folders

    @classmethod
    def make(cls, root: Path, home: Path, check: Check, state: State, found: Changes) -> UnchangedPlan | None:
        """Return the plan, or None where targets may have changed."""
        if found.rules:
            return None
        index = FileIndex(root)
        settings = read_settings(root, home)
        folders = _same_names(Folders(root, settings.ignore), check, found)
        changed = changed_sources(index, found.sources, state)
        if folders is None or not changed.isdisjoint(state.graph.analysis):
            return None
        dirty, rows = affected(state.graph.actions, changed)
        graph = unpack_actions(rows)
        _take_over_sources(index, graph, check, state, found)
        wanted = [Wanted(*row) for row in state.graph.wanted]
        before: list[BuiltOutput] = []
        if not found.outputs:
            before = [one for outputs in check.targets.values() for one in outputs]
        work = Work(
            graph,
            wanted,
            len(state.graph.actions),
            settings,
            index,
            unpack_known(state.known, _needed(graph, () if before else wanted)),
            dirty,
            before,
            changed,
        )
        return cls(work, check, state, found, folders)

    def snapshot(self, known: dict[str, Known], linked: Linked) -> tuple[Check, State]:
        """See `hermes.build.plan.Plan`."""
        check, state, index = self._check, self._state, self.work.index
        rows = {}
        contents = dict(state.sources)
        for path in self._found.sources:
            row = index.known(path)
            rows[path] = index.lasting(path).signature
            contents[path] = row.kind, str(row.digest)
        linked_rows = {path: output_signature(path) for path in linked.vouched}
        outputs = check.outputs.with_rows(linked_rows) if self.work.before else Signatures.of(linked_rows)
        new_known = {**state.known, **pack_known({name: known[name] for name in self._names})}
        return (
            Check(
                check.sources.with_rows(rows),
                self._folders,
                check.rules,
                outputs,
                check.cached,
                linked.targets,
            ),
            State(contents, new_known, state.graph),
        )


def changed_sources(index: FileIndex, paths: Iterable[str], state: State) -> set[str]:
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


def _take_over_sources(
    index: FileIndex, graph: ActionGraph, check: Check, state: State, found: Changes
) -> None:
    """Tell the index of the files beside a changed one, so that they need not be read."""
    touched = set(found.sources)
    for action in graph.actions.values():
        for one in action.inputs:
            if type(one.artifact) is Source and (path := one.artifact.path) not in touched:
                index.remember(path, KnownFile(*check.sources[path], *state.sources[path]))


def _needed(graph: ActionGraph, wanted: Iterable[Wanted]) -> set[str]:
    """Return the actions whose results must be known: those of the graph, and what they and the outputs read."""
    needed = {one.action for one in wanted if one.output}
    for action in graph.actions.values():
        needed.add(action.id)
        needed.update(action.depends_on())
    return needed


def _same_names(folders: Folders, check: Check, found: Changes) -> dict[str, FolderRow] | None:
    """Return the folders of a check, brought up to date, or None if a name in one of them changed."""
    if not found.folders:
        return check.folders
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

"""The plan of a build that looks only at what changes in the workspace touch, and knows the rest from the last one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hermes.build.changed import Forgotten, Touched, changed_sources, linked_before, touched
from hermes.build.memory.packed import pack_known, sources_of, unpack_actions, unpack_known
from hermes.build.memory.records import (
    Cycle,
    DamagedRecord,
    Memory,
    PackageRow,
    Record,
    TargetRow,
    Update,
    dependency_order,
    owner,
    owner_of_folder,
    package_of,
)
from hermes.build.memory.signatures import Signatures, output_signature, signature
from hermes.build.memory.snapshot import Changes, Check, FolderRow
from hermes.build.outputs import Linked
from hermes.build.plan import Work
from hermes.build.requested_outputs import Wanted
from hermes.engine.scheduler import LastResult
from hermes.errors import BuildFailed, HermesError
from hermes.workspace.listing import Folders, Listing
from hermes.workspace.location import Location
from hermes.workspace.root import read_settings
from hermes.workspace.sources import FileIndex, FileRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermes.build.options import BuildOptions
    from hermes.build.reanalyzed import Reanalysis, Reanalyzed
    from hermes.store import Store


class BrokenTargets(Exception):
    """The analysis of everything would raise ``error``."""

    def __init__(self, error: HermesError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Asked:
    """What a build was asked for: the ``patterns`` at a place, with what options; see `hermes.Workspace`.

    ``broken`` gets the errors of packages and targets where the build keeps going.
    """

    where: Location
    store: Store
    patterns: Sequence[str]
    options: BuildOptions
    say: Callable[[str], None]
    broken: dict[str, HermesError]


@dataclass(slots=True)
class _Graph:
    """The actions of all targets: what each reads, and of which target it is. ``needed`` are those of the wanted."""

    reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)

    def need(self, wanted: Iterable[str]) -> None:
        pending = list(wanted)
        while pending:
            name = pending.pop()
            if name not in self.needed:
                self.needed.add(name)
                pending.extend(self.reads[name])

    def downstream(self, names: Iterable[str]) -> list[str]:
        """Return those of actions that are needed, and all needed ones that depend on them, in order."""
        found = {name for name in names if name in self.needed}
        if not found:
            return []
        consumers: dict[str, list[str]] = {}
        for name, reads in self.reads.items():
            if name in self.needed:
                for one in reads:
                    consumers.setdefault(one, []).append(name)
        pending = list(found)
        while pending:
            below = [one for one in consumers.get(pending.pop(), ()) if one not in found]
            found.update(below)
            pending.extend(below)
        return [name for name in self.reads if name in found]


class TouchedPlan:
    """See `hermes.build.plan.Plan`."""

    def __init__(self, asked: Asked, memory: Memory, check: Check, found: Changes) -> None:
        root = asked.where.root
        self._asked = asked
        self._memory = memory
        self._check = check
        self._found = found
        self._settings = read_settings(root, asked.store.home)
        self._index = FileIndex(root, recall=self._recall_file)
        self._folders = Folders(root, self._settings.ignore, self._recall_folder)
        self._moved = frozenset(found.folders)
        self._touched: Touched = touched(memory, check, found, self._index, self._folders)
        self._again: Reanalyzed | None = self._reanalyzed() if self._touched.rules else None
        self._rows = self._again.rows if self._again else memory.rows
        self._wanted = self._again.wanted if self._again else memory.wanted
        self._graph = _Graph()
        self._affected: list[str] = []
        self.work = self._work()

    @classmethod
    def make(cls, asked: Asked, memory: Memory, check: Check, found: Changes) -> TouchedPlan | None:
        """Return the plan; None where everything has to be looked at. Raises what that would find to be wrong first."""
        try:
            return cls(asked, memory, check, found)
        except BrokenTargets as broken:
            raise broken.error from None
        except (Forgotten, Cycle, DamagedRecord, HermesError, RecursionError):
            asked.broken.clear()
            return None

    def _recall_file(self, path: str) -> FileRecord | None:
        row = self._memory.file(path)
        return FileRecord(*row) if row is not None else None

    def _recall_folder(self, path: str) -> Listing | None:
        known = None if path in self._moved else self._check.folders.get(path)
        listing = self._memory.listing(path) if known is not None else None
        if known is None or listing is None:
            return None
        files, folders, links = listing
        return Listing(files, folders, known[0], frozenset(links))

    def _reanalyzed(self) -> Reanalyzed:
        from hermes.build.epoch import epoch
        from hermes.build.reanalyzed import Reanalysis
        from hermes.build.session import Session
        from hermes.dsl.analysis import Kept

        asked = self._asked
        if asked.options.secrets or 2 * len(self._touched.packages) > len(self._memory.rows):
            raise Forgotten  # all actions are searched for secrets; loading most packages again saves nothing

        said: list[str] = []

        def make(kept: Kept | None) -> Session:
            said.clear()
            root, store, options = asked.where.root, asked.store, asked.options
            return Session(root, store, self._index, options, epoch(), said.append, kept, self._folders)

        reanalysis = Reanalysis(self._memory, self._touched, make, asked.patterns, asked.where.package)
        try:
            found = self._run(reanalysis)
        except BrokenTargets:
            self._tell(said)
            raise
        self._tell(said)
        return found

    def _run(self, reanalysis: Reanalysis) -> Reanalyzed:
        try:
            return reanalysis.run()
        except (Cycle, HermesError):
            if self._asked.options.keep_going:
                return self._sound(reanalysis)
            error = reanalysis.error()
            if error is None:
                raise
            raise BrokenTargets(error) from None

    def _sound(self, reanalysis: Reanalysis) -> Reanalyzed:
        try:
            return reanalysis.sound(self._asked.broken)
        except BuildFailed as error:
            raise BrokenTargets(error) from None

    def _tell(self, said: Iterable[str]) -> None:
        """Pass on what files printed; where everything is looked at after all, they print it again."""
        for line in said:
            self._asked.say(line)

    # Which actions there are to look at.

    def _work(self) -> Work:
        graph = self._graph
        rows = [Wanted(*row) for text in self._wanted for row in self._row(text).wanted]
        order = self._again.order if self._again else self._downstream_of_sources()
        for text in order:
            for name, reads in self._row(text).actions:
                graph.reads[name] = reads
                graph.targets[name] = text
        if self._again:
            graph.need(one.action for one in rows if one.output)
            self._total = len(graph.needed)
        else:
            graph.needed.update(name for text in order for name in self._needed_of(text))
            self._total = self._check.cached
        dirty = list(dict.fromkeys(self._dirty(order)))
        self._affected = graph.downstream(dirty)
        actions = unpack_actions(self._action(name) for name in self._affected)
        before = []
        if not self._found.outputs:
            wanted = ((text, self._row(text).wanted) for text in self._wanted)
            before = linked_before(self._memory, self._check, wanted)
        results = {*self._affected}
        for name in self._affected:
            results.update(graph.reads[name])
        for number, one in enumerate(rows):
            if one.output and (not before or before[number] is None):
                results.add(one.action)
        known: dict[str, LastResult] = {}
        for name in results:
            known.update(unpack_known(self._memory_of(name).known, (name,)))
        changed = self._touched.sources
        return Work(actions, rows, self._total, self._settings, self._index, known, dirty, before, changed)

    def _needed_of(self, text: str) -> Iterable[str]:
        row = self._row(text)
        return (name for name, _ in row.actions if name not in row.idle)

    def _downstream_of_sources(self) -> list[str]:
        """Return the keys of the targets that may read a source that changed, and of those that need them, in order."""
        owners = {owner(self._rows, path) for path in self._touched.sources}
        if not owners:
            return []
        found: set[str] = set()
        users: dict[str, list[str]] = {}
        for package, row in self._rows.items():
            for text, target in row.targets.items():
                if package in owners or not owners.isdisjoint(target.foreign):
                    found.add(text)
                for one in target.finals:
                    users.setdefault(one, []).append(text)
        pending = list(found)
        while pending:
            above = [one for one in users.get(pending.pop(), ()) if one not in found]
            found.update(above)
            pending.extend(above)

        def below(text: str) -> list[str]:
            return [one for one in self._row(text).finals if one in found]

        return dependency_order(below, [text for text in self._wanted if text in found])

    def _row(self, text: str) -> TargetRow:
        return self._rows[package_of(text)].targets[text]

    def _memory_of(self, action: str) -> Record:
        """Return the record of the last build that may have an action."""
        package = package_of(action)
        return self._memory.record(package) if package in self._memory.rows else Record()

    def _action(self, name: str) -> Any:
        """Return an action as it is now, as a row."""
        text = self._graph.targets[name]
        if self._again and text in self._again.actions:
            return self._again.actions[text][name]
        return self._memory.record(package_of(text)).actions[name]

    def _dirty(self, order: Iterable[str]) -> Iterable[str]:
        """Yield the needed actions that are not those of the last build, or read a source that changed."""
        again = self._again.actions if self._again else {}
        needed = self._graph.needed
        for text in order:
            if text in again:
                for name, row in again[text].items():
                    before = self._memory_of(name)
                    is_same = name in before.known and before.actions.get(name) == row
                    if name in needed and not (is_same and self._is_read_same(row)):
                        yield name
            else:
                yield from (name for name in self._row(text).idle if name in needed)
        yield from self._readers(order, again)

    def _is_read_same(self, row: Any) -> bool:
        return not changed_sources(self._index, sources_of(row), self._memory.file)

    def _readers(self, order: Iterable[str], again: Collection[str]) -> Iterable[str]:
        """Yield the needed actions of targets that were not analyzed again which read a source that changed."""
        changed = self._touched.sources
        owners = {owner(self._memory.rows, path) for path in changed}
        for text in order if changed else ():
            package, target = package_of(text), self._row(text)
            if text not in again and (package in owners or not owners.isdisjoint(target.foreign)):
                actions = self._memory.record(package).actions
                for name, _ in target.actions:
                    if name in self._graph.needed and not changed.isdisjoint(sources_of(actions[name])):
                        yield name

    # What the next build is to know.

    def snapshot(self, known: dict[str, LastResult], linked: Linked) -> tuple[Check, Update]:
        """See `hermes.build.plan.Plan`. Raises `DamagedRecord`."""
        check, found, index = self._check, self._found, self._index
        update = _Changed(self._memory, self._rows, self._again, self._touched.folders)
        update.put_results({name: known[name] for name in self._affected})
        if self._again:
            update.put_idle(self._graph.needed)
        update.put_files({path: index.lasting(path) for path in index.used})
        gone = {path for path in found.sources if path not in index.used}
        update.drop_files(gone)
        folders = self._folder_rows(update)
        linked_rows = {path: output_signature(path) for path in linked.vouched}
        outputs = check.outputs.with_rows(linked_rows) if self.work.before else Signatures.of(linked_rows)
        rules = self._again.session.packages.modules.rule_files if self._again else {}
        return (
            Check(
                check.sources.with_rows({path: index.lasting(path).signature for path in index.used}, gone),
                folders,
                check.rules.with_rows({path: signature(path) for path in rules}) if rules else check.rules,
                outputs,
                self._total,
                linked.targets,
                linked.is_whole and (check.whole or not self.work.before),
            ),
            Update(update.rows, self._wanted, self._memory.settings, update.records, self._memory),
        )

    def _folder_rows(self, update: _Changed) -> dict[str, FolderRow]:
        """Return the folders of the check as they are; the build may have put its output folder in the root."""
        rows = dict(self._touched.folders)
        seen = self._folders.seen
        update.put_listings(seen)
        rows.update((path, (listing.signature, listing.digest)) for path, listing in seen.items())
        if "" in rows:
            now = Folders(self._asked.where.root, self._settings.ignore).listing("")
            if rows[""][1] == now.digest:
                rows[""] = now.signature, now.digest
        return rows


class _Changed:
    """The rows and records of a memory, brought up to date: ``records`` are those that are not as they were.

    ``folders`` are those that are there.
    """

    def __init__(
        self,
        memory: Memory,
        rows: dict[str, PackageRow],
        again: Reanalyzed | None,
        folders: Collection[str],
    ) -> None:
        self.rows = rows if again is None else dict(rows)
        self.records: dict[str, Record] = {}
        self._memory = memory
        if again is None:
            return
        for name in again.packages:
            self._renew(name, again)
        for name in [name for name in memory.rows if name not in rows]:
            self._hand_up(name, folders)

    def record(self, package: str) -> Record:
        """Return a record that will be written."""
        found = self.records.get(package)
        if found is None:
            found = self.records[package] = self._memory.record(package)
        return found

    def _renew(self, name: str, again: Reanalyzed) -> None:
        """Keep of a record what belongs to its targets now."""
        if name not in self._memory.rows:
            self._take_files(name)
        record = self.record(name)
        actions, provided = {}, {}
        for text, target in self.rows[name].targets.items():
            made = again.actions.get(text)
            actions.update(
                made if made is not None else {one: record.actions[one] for one, _ in target.actions}
            )
            provided[text] = again.provided[text] if made is not None else record.provided[text]
        record.actions, record.provided = actions, provided
        record.known = {one: row for one, row in record.known.items() if one in actions}

    def _take_files(self, name: str) -> None:
        """Start the record of a new package, with what is known of its files; they are its own now."""
        record = self.records[name] = Record()
        above = owner_of_folder(self._memory.rows, name)
        files, listings = self._look(above).files, self._look(above).listings
        record.files = {path: row for path, row in files.items() if owner(self.rows, path) == name}
        record.listings = {
            path: row for path, row in listings.items() if owner_of_folder(self.rows, path) == name
        }
        for path in record.files:
            del self.record(above).files[path]
        for path in record.listings:
            del self.record(above).listings[path]

    def _hand_up(self, name: str, folders: Collection[str]) -> None:
        """Give files and folders of what is not a package any more, or is not needed, to what has them now."""
        old = self._memory.record(name)
        for path, row in old.files.items():
            self.record(owner(self.rows, path)).files.setdefault(path, row)
        for path, listing in old.listings.items():
            if path in folders:
                self.record(owner_of_folder(self.rows, path)).listings.setdefault(path, listing)

    def put_results(self, known: Mapping[str, LastResult]) -> None:
        for name, row in pack_known(known).items():
            self.record(package_of(name)).known[name] = row

    def put_idle(self, needed: set[str]) -> None:
        """Forget the results of actions that are not needed; what they read is not looked at."""
        for package, row in self.rows.items():
            changed = {}
            for text, target in row.targets.items():
                idle = tuple(name for name, _ in target.actions if name not in needed)
                if idle != target.idle:
                    changed[text] = target._replace(idle=idle)
            if changed:
                self.rows[package] = row._replace(targets={**row.targets, **changed})
                for target in changed.values():
                    for name in target.idle:
                        self.record(package).known.pop(name, None)

    def put_files(self, files: Mapping[str, FileRecord]) -> None:
        for path, known in files.items():
            package = owner(self.rows, path)
            row = known.row
            if self._look(package).files.get(path) != row:
                self.record(package).files[path] = row

    def drop_files(self, paths: Iterable[str]) -> None:
        for path in paths:
            package = owner(self.rows, path)
            if path in self._look(package).files:
                del self.record(package).files[path]

    def put_listings(self, seen: Mapping[str, Listing]) -> None:
        for path, listing in seen.items():
            package = owner_of_folder(self.rows, path)
            row = listing.row
            if self._look(package).listings.get(path) != row:
                self.record(package).listings[path] = row

    def _look(self, package: str) -> Record:
        return self.records.get(package) or self._memory.record(package)

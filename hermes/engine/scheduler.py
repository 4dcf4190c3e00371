"""Runs an action graph: what is ready, longest way to the end first, on a number of workers.

An action is looked at again only when something that it reads has changed; one that gives the same
outputs again stops there. One may turn out to stand for others, which are then part of the run.
"""

from __future__ import annotations

import heapq
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from hermes.engine.action import Action, ActionGraph, Output, Outputs, Source, Value
from hermes.engine.events import (
    ActionCached,
    ActionFailed,
    ActionFinished,
    BuildFinished,
    BuildGrew,
    BuildStarted,
    Events,
)
from hermes.engine.executor import Expansion, Result
from hermes.engine.key import Resolved
from hermes.errors import BuildFailed, BuildInterrupted, HermesError, UsageError

_Ready = list[tuple[int, int, str]]
"""A heap of the names of actions, the longest way to the end first."""

_GUESSED_MILLISECONDS: Final = {"run": 2000, "host": 5000, "fetch": 1000, "pull": 2000, "layer": 20}
_BYTES_READ: Final = 128 << 10
"""Bytes that an action reads in a millisecond, about, so that of like actions the one with the largest inputs starts first."""


class Runner(Protocol):
    """Gives an action's key and result: see `hermes.engine.executor.Caching`."""

    def run(
        self, action: Action, inputs: Sequence[Resolved], hints: frozenset[str]
    ) -> tuple[str, Result | Expansion]:
        """Return the key and the result; raises `HermesError`."""
        ...


class Sources(Protocol):
    """Knows the files of the workspace."""

    def seen(self, path: str) -> tuple[Value, str, tuple[int, int, int, int]]:
        """Return what a source is, where it is on disk, and what tells that the file there is still the same.

        Raises `SourceError`.
        """
        ...


@dataclass(frozen=True, slots=True)
class LastResult:
    """What an action gave in the last build of the same graph."""

    key: str
    outputs: Outputs
    milliseconds: int = 0


@dataclass(slots=True)
class Report:
    """What came of a run: what each action gave, and which were executed, in the graph's order.

    ``parts`` maps each action that was expanded to those it turned out to stand for, which are in the graph too.
    Without ``lasting`` some of it holds for one build only.
    """

    known: dict[str, LastResult] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    cached: int = 0
    parts: dict[str, list[str]] = field(default_factory=dict)
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """How a graph is run.

    ``jobs`` actions run at once; with ``keep_going`` a failure stops only what depends on it. Where results are looked
    for on other machines, ``lookups`` more may wait for an answer. Besides these, ``elsewhere`` actions run at once of
    those that other machines execute, as ``is_elsewhere`` tells.
    """

    jobs: int
    keep_going: bool = False
    lookups: int = 0
    elsewhere: int = 0
    is_elsewhere: Callable[[Action], bool] = lambda _: False

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UsageError(f"invalid number of jobs: {self.jobs}", hint="jobs must be at least 1")


class Scheduler:
    """Runs graphs with one set of workers' rules; see `run`.

    ``report`` is what came of the last run, also of one that failed or was interrupted: of what was to be looked at
    it then knows what was done.
    """

    def __init__(self, runner: Runner, sources: Sources, options: Options, events: Events) -> None:
        self._runner = runner
        self._sources = sources
        self._options = options
        self._events = events
        self.report = Report()

    def run(
        self,
        graph: ActionGraph,
        wanted: Iterable[str],
        *,
        known: Mapping[str, LastResult] | None = None,
        dirty: Collection[str] | None = None,
        cancel: Callable[[], None] = lambda: None,
    ) -> Report:
        """Make the outputs of the ``wanted`` actions.

        With ``known`` (what every action gave last time) only the ``dirty`` actions are looked at, and
        those that read something of them that changed. ``cancel`` is called when the run is interrupted; it
        must make running actions end. Raises `BuildFailed` and `BuildInterrupted`.
        """
        options = self._options
        place = options.is_elsewhere if options.elsewhere else _here
        run = _Run(self._runner, self._sources, graph, graph.closure(wanted), known or {}, dirty, place)
        self._events.emit(BuildStarted(len(run.pending), options.jobs + options.elsewhere))
        workers = _Workers(run, (options.jobs + options.lookups, options.elsewhere))
        try:
            self._drive(run, workers)
        except BaseException:
            workers.stop()
            cancel()
            workers.join()
            raise
        finally:
            self.report = run.so_far()
        workers.stop()
        workers.join()
        self._events.emit(BuildFinished(len(run.executed), run.report.cached, len(run.failures)))
        if run.failures:
            raise BuildFailed(run.failures, run.skipped)
        return self.report

    def _drive(self, run: _Run, workers: _Workers) -> None:
        while True:
            stopping = run.failed and not self._options.keep_going
            for place, ready in enumerate(run.ready):
                while ready and workers.free(place) and not stopping:
                    workers.give(heapq.heappop(ready)[2], place)
            if not workers.busy:
                if stopping or not run.alone:
                    break
                name = heapq.heappop(run.alone)[2]
                workers.give(name, run.place_of(name))
            self._take(run, workers.take())
        run.skipped = len(run.pending) - run.settled

    def _take(self, run: _Run, done: _Done) -> None:
        action = run.graph.actions[done.name]
        if done.error is not None:
            if isinstance(done.error, BuildInterrupted) or not isinstance(done.error, HermesError):
                raise done.error
            _name(done.error, action.owner)
            run.fail(action.owner, done.error)
            run.failed |= done.error.stops
            self._events.emit(
                ActionFailed(action.id, action.owner, action.kind, done.error, done.started, done.ended)
            )
            return
        assert done.result is not None
        if isinstance(done.result, Result) and not done.result.executed:
            self._events.emit(ActionCached(action.id, action.owner, action.kind, done.key, done.result.where))
        else:
            where = done.result.where if isinstance(done.result, Result) else ""
            self._events.emit(
                ActionFinished(
                    action.id, action.owner, action.kind, done.key, done.started, done.ended, where
                )
            )
        if isinstance(done.result, Expansion):
            self._events.emit(BuildGrew(run.expand(done.name, done.key, done.result)))
        else:
            run.finish(done.name, done.key, done.result)


def _here(_: Action) -> bool:
    return False


class _Run:
    """The state of one run: what is pending, done, and ready: here, elsewhere, and when nothing else runs."""

    def __init__(
        self,
        runner: Runner,
        sources: Sources,
        graph: ActionGraph,
        needed: list[str],
        known: Mapping[str, LastResult],
        dirty: Collection[str] | None,
        is_elsewhere: Callable[[Action], bool],
    ) -> None:
        self.graph = graph
        self.report = Report(dict(known))
        self.executed: set[str] = set()
        self.failures: dict[str, HermesError] = {}
        self.failed = False
        self.skipped = 0
        self.settled = 0
        self.done: set[str] = set()
        self.ready: tuple[_Ready, _Ready] = ([], [])
        self.alone: _Ready = []
        self._is_elsewhere = is_elsewhere
        self._runner = runner
        self._sources = sources
        self._known = known
        self._hints = _hints(graph, needed)
        consumers = graph.consumers(needed)
        self.pending = needed if dirty is None else _reachable(dirty, consumers, needed)
        self._consumers = consumers
        self._dirty = set(self.pending if dirty is None else dirty)
        self.report.cached = len(needed) - len(self.pending)
        self._missing: dict[str, int] = {}
        self._order: dict[str, int] = {}
        self._priority: dict[str, int] = {}
        self._expanded: dict[str, tuple[str, Expansion]] = {}
        self._enter(self.pending)

    def _enter(self, names: list[str]) -> None:
        """Count the unfinished dependencies of pending actions, and start those without any."""
        inside = set(names)
        for name in names:
            dependencies = set(self.graph.actions[name].depends_on())
            self._missing[name] = sum(one in inside for one in dependencies)
            self._order[name] = len(self._order)
        self._prioritize(names)
        for name in names:
            if not self._missing[name]:
                self._make_ready(name)

    def execute(self, name: str) -> tuple[str, Result | Expansion]:
        """Run one action; called in a worker."""
        action = self.graph.actions[name]
        inputs = [self._resolve(one.role, one.path, one.artifact) for one in action.inputs]
        return self._runner.run(action, inputs, self._hints.get(name, frozenset()))

    def finish(self, name: str, key: str, result: Result) -> None:
        """Record an action's result and start the actions that it unblocks."""
        self.report.lasting &= result.lasting
        self._settle(name, changed=self._note(name, key, result, executed=result.executed))

    def _note(self, name: str, key: str, result: Result, *, executed: bool) -> bool:
        """Record an action's outputs; return whether they changed."""
        before = self._known.get(name)
        self.report.known[name] = LastResult(key, result.outputs, result.milliseconds)
        if executed:
            self.executed.add(name)
        else:
            self.report.cached += 1
        return before is None or before.outputs != result.outputs

    def expand(self, name: str, key: str, expansion: Expansion) -> int:
        """Replace an expanded action by its actions; return how many there are."""
        ends = dict.fromkeys(one.action for one in expansion.outputs.values())
        added = expansion.graph.closure(ends)
        for one in added:
            self.graph.add(expansion.graph.actions[one])
        self._hints.update(_hints(self.graph, added))
        self._consumers.update(self.graph.consumers(added))
        for one in ends:
            self._consumers[one].append(name)
        self._missing[name] = len(ends)
        self._expanded[name] = key, expansion
        self.report.parts[name] = added
        self._dirty.update(added)
        self.pending += added
        self._enter(added)
        return len(added)

    def _contract(self, name: str) -> bool:
        """Finish an action that was expanded; return whether its outputs changed."""
        key, expansion = self._expanded[name]
        known, parts = self.report.known, self.report.parts[name]
        outputs = {output: known[one.action].outputs[one.name] for output, one in expansion.outputs.items()}
        result = Result(outputs, sum(known[one].milliseconds for one in parts))
        return self._note(name, key, result, executed=not self.executed.isdisjoint(parts))

    def fail(self, owner: str, error: HermesError) -> None:
        self.settled += 1
        self.failures.setdefault(owner, error)

    def _settle(self, name: str, *, changed: bool) -> None:
        settled = [(name, changed)]
        while settled:
            one, its_change = settled.pop()
            self.settled += 1
            self.done.add(one)
            for consumer in self._consumers[one]:
                if its_change:
                    self._dirty.add(consumer)
                if consumer not in self._missing:
                    continue
                self._missing[consumer] -= 1
                if self._missing[consumer]:
                    continue
                if consumer in self._expanded:
                    settled.append((consumer, self._contract(consumer)))
                elif consumer in self._dirty:
                    self._make_ready(consumer)
                else:
                    self.report.cached += 1
                    settled.append((consumer, False))

    def so_far(self) -> Report:
        """Return the report, without earlier results of actions that were due but never reached."""
        self.report.executed = [name for name in self.graph.actions if name in self.executed]
        for name in self.pending:
            if name not in self.done:
                self.report.known.pop(name, None)
        return self.report

    def place_of(self, name: str) -> int:
        """Return where an action is executed: 0 here, 1 elsewhere."""
        return int(self._is_elsewhere(self.graph.actions[name]))

    def _make_ready(self, name: str) -> None:
        ready = self.alone if self.graph.actions[name].exclusive else self.ready[self.place_of(name)]
        heapq.heappush(ready, (-self._priority[name] - self._reading(name), self._order[name], name))

    def _reading(self, name: str) -> int:
        """Return the milliseconds that an action which was never executed may need for what others give it."""
        if name in self._known:
            return 0
        given = (one.artifact for one in self.graph.actions[name].inputs)
        outputs = (one for one in given if type(one) is Output)
        return sum(self.report.known[one.action].outputs[one.name].size for one in outputs) // _BYTES_READ

    def _resolve(self, role: str, path: str, artifact: Source | Output) -> Resolved:
        if type(artifact) is Output:
            return Resolved(role, path, self.report.known[artifact.action].outputs[artifact.name])
        return Resolved(role, path, *self._sources.seen(artifact[0]))

    def _prioritize(self, names: list[str]) -> None:
        """Note the milliseconds from the start of each action to the end of the build, if nothing waits."""
        priority = self._priority
        for name in reversed(names):
            known = self._known.get(name)
            own = known.milliseconds if known else _GUESSED_MILLISECONDS.get(self.graph.actions[name].kind, 1)
            priority[name] = own + max((priority.get(one, 0) for one in self._consumers[name]), default=0)


@dataclass(frozen=True, slots=True)
class _Done:
    name: str
    place: int
    started: float
    ended: float
    key: str = ""
    result: Result | Expansion | None = None
    error: BaseException | None = None


class _Workers:
    """Threads that execute what they are given, in that order: at most ``counts`` at once of each place."""

    def __init__(self, run: _Run, counts: Sequence[int]) -> None:
        self._run = run
        self._given: queue.SimpleQueue[tuple[str, int] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        self._free = list(counts)
        self._threads: list[threading.Thread] = []
        self.busy = 0

    def free(self, place: int) -> bool:
        return self._free[place] > 0

    def give(self, name: str, place: int) -> None:
        if len(self._threads) <= self.busy:
            thread = threading.Thread(target=self._work, name=f"worker-{len(self._threads)}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self.busy += 1
        self._free[place] -= 1
        self._given.put((name, place))

    def take(self) -> _Done:
        done = self._done.get()
        self.busy -= 1
        self._free[done.place] += 1
        return done

    def stop(self) -> None:
        for _ in self._threads:
            self._given.put(None)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            name, place = given
            started = time.monotonic()
            try:
                key, result = self._run.execute(name)
            except BaseException as error:  # noqa: BLE001 - raised again where the run is driven
                self._done.put(_Done(name, place, started, time.monotonic(), error=error))
            else:
                self._done.put(_Done(name, place, started, time.monotonic(), key, result))


def _name(error: HermesError, owner: str) -> None:
    """Put in front of what an executor says whose action it is; it does not know, so that one result may serve many."""
    if error.location is None and not error.message.startswith(owner):
        error.message = f"{owner}: {error.message}"


def _hints(graph: ActionGraph, needed: list[str]) -> dict[str, frozenset[str]]:
    """Map each action to the forms in which those that read it would like its outputs."""
    found: dict[str, set[str]] = {}
    for name in needed:
        for one in graph.actions[name].inputs:
            if one.hint and type(one.artifact) is Output:
                found.setdefault(one.artifact.action, set()).add(one.hint)
    return {name: frozenset(hints) for name, hints in found.items()}


def _reachable(dirty: Collection[str], consumers: Mapping[str, list[str]], needed: list[str]) -> list[str]:
    """Return those of ``needed`` that are dirty or depend on what is, in order."""
    found: set[str] = set()
    pending = [name for name in dirty if name in consumers]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(consumers[name])
    return [name for name in needed if name in found]

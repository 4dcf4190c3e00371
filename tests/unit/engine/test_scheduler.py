"""The order in which actions run, and what happens when one of them fails or changes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from hermes.digest import Digest
from hermes.engine.action import FILE, Action, ActionGraph, Input, Output, Value
from hermes.engine.events import (
    ActionCached,
    ActionFailed,
    ActionFinished,
    ActionStarted,
    BuildGrew,
    Event,
    Events,
    Warned,
)
from hermes.engine.executor import Caching, Executor, Expansion, Request, Result, Slots
from hermes.engine.key import Resolved, key_of, preimage
from hermes.engine.scheduler import LastResult, Options, Report, Scheduler
from hermes.errors import BuildError, BuildFailed, BuildInterrupted, SourceLocation, UsageError
from hermes.store import Store

PLACE = SourceLocation("BUILD", 1, 1)


def graph(text: str) -> ActionGraph:
    """Return a graph from ``a b:a c:a d:bc``, where what follows the colon is read."""
    found = ActionGraph()
    for part in text.split():
        name, _, below = part.partition(":")
        inputs = tuple(Input("in", one, Output(one, "out")) for one in below)
        found.add(Action(name, f"//{name}", "write", f'{{"name":"{name}"}}', inputs, ("out",)))
    return found


class Memory:
    """An executor that computes in memory: an action's output is made of its name and inputs."""

    def __init__(
        self,
        act: Callable[[str], None] = lambda name: None,
        same: str = "",
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        self.ran: list[str] = []
        self.most = 0
        self._act = act
        self._same = same
        self._sizes = sizes or {}
        self._running = 0
        self._guard = threading.Lock()

    def execute(self, request: Request) -> Result:
        name = request.action.id
        with self._guard:
            self._running += 1
            self.most = max(self.most, self._running)
            self.ran.append(name)
        try:
            self._act(name)
        finally:
            with self._guard:
                self._running -= 1
        text = name if name in self._same else name + "".join(one.value.digest for one in request.inputs)
        return Result({"out": Value(FILE, Digest.of(text.encode()), self._sizes.get(name, 1))})


class NoSources:
    def seen(self, path: str) -> Any:
        raise AssertionError(path)


class Engine:
    """A scheduler over a real cache."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seen: list[Event] = []

    def run(
        self,
        actions: ActionGraph,
        wanted: Sequence[str],
        memory: Memory,
        *,
        jobs: int = 1,
        keep_going: bool = False,
        known: dict[str, LastResult] | None = None,
        dirty: Sequence[str] | None = None,
    ) -> dict[str, LastResult]:
        return self.report(
            actions, wanted, memory, jobs=jobs, keep_going=keep_going, known=known, dirty=dirty
        ).known

    def report(
        self,
        actions: ActionGraph,
        wanted: Sequence[str],
        memory: Executor,
        *,
        jobs: int = 1,
        keep_going: bool = False,
        known: dict[str, LastResult] | None = None,
        dirty: Sequence[str] | None = None,
        available: Callable[[Value], bool] = lambda value: True,
        cancel: Callable[[], None] = lambda: None,
    ) -> Report:
        events = Events(self.seen.append)
        caching = Caching(memory, self._store.results, self._store.locks, available, events)
        scheduler = Scheduler(caching, NoSources(), Options(jobs, keep_going), events)
        return scheduler.run(actions, wanted, known=known, dirty=dirty, cancel=cancel)

    def warnings(self) -> list[str]:
        return [event.message for event in self.seen if isinstance(event, Warned)]


@pytest.fixture
def engine(store: Store) -> Engine:
    return Engine(store)


def test_dependencies_run_first_and_only_what_is_wanted(engine: Engine) -> None:
    memory = Memory()
    engine.run(graph("a b:a c:b x y:x"), ["c"], memory)
    assert memory.ran == ["a", "b", "c"]


def test_the_longest_way_to_the_end_goes_first(engine: Engine) -> None:
    memory = Memory()
    known = {name: LastResult("", {}, 10) for name in "abcdx"} | {"b": LastResult("", {}, 1000)}
    actions = graph("a b c:a d:c x:bd")
    engine.run(actions, ["x"], memory, known=known, dirty=list("abcdx"))
    assert memory.ran[0] == "b"


def test_a_way_is_as_long_as_all_that_is_on_it(engine: Engine) -> None:
    memory = Memory()
    known = {name: LastResult("", {}, 10) for name in "acdx"} | {"b": LastResult("", {}, 25)}
    engine.run(graph("b a c:a d:c x:bd"), ["x"], memory, known=known, dirty=list("abcdx"))
    assert memory.ran[0] == "a"


def test_what_takes_unknown_time_counts_as_something(engine: Engine) -> None:
    memory = Memory()
    engine.run(graph("b a c:a x:bc"), ["x"], memory)
    assert memory.ran == ["a", "b", "c", "x"]


def test_of_like_actions_the_one_that_reads_most_goes_first(engine: Engine) -> None:
    memory = Memory(sizes={"b": 50 << 20, "c": 1 << 20})
    engine.run(graph("a b c u:a v:b w:c x:uvw"), ["x"], memory)
    assert memory.ran == list("abvcwux")


def test_what_is_dirty_and_not_needed_is_left_alone(engine: Engine) -> None:
    known = engine.run(graph("a b:a c:a d:bc"), ["d"], Memory())
    memory = Memory()
    report = engine.report(graph("a b:a c:a d:bc e:a"), ["d"], memory, known=known, dirty=["e", "gone"])
    assert (memory.ran, report.cached) == ([], 4)


def test_a_result_whose_output_is_gone_is_made_again(engine: Engine) -> None:
    engine.run(graph("a b:a"), ["b"], Memory())
    gone = Digest.of(b"a")
    memory = Memory()
    engine.report(graph("a b:a"), ["b"], memory, available=lambda value: value.digest != gone)
    assert memory.ran == ["a"]
    assert engine.warnings() == [f"//a: file {gone} is gone from the store or was changed; building it again"]


@pytest.mark.parametrize("damage", [b"", b"{}", Result({"other": Value(FILE, Digest.of(b"a"), 1)}).dump()])
def test_a_damaged_result_is_made_again(engine: Engine, store: Store, damage: bytes) -> None:
    known = engine.run(graph("a"), ["a"], Memory())
    store.results.put(known["a"].key, damage, b"")
    memory = Memory()
    engine.run(graph("a"), ["a"], memory)
    assert memory.ran == ["a"]
    assert engine.warnings() == ["//a: its cached result is damaged; building it again"]
    again = Memory()
    engine.run(graph("a"), ["a"], again)
    assert again.ran == []


def test_an_early_end_counts_what_need_not_be_looked_at(engine: Engine) -> None:
    known = engine.run(graph("a b:a c:b d:c"), ["d"], Memory(same="b"))
    changed = graph("a b:a c:b d:c")
    changed.actions["b"] = Action("b", "//b", "write", '{"name":"B"}', changed.actions["b"].inputs, ("out",))
    report = engine.report(changed, ["d"], Memory(same="b"), known=known, dirty=["b"])
    assert (report.executed, report.cached) == (["b"], 3)


def hinted(*hints: tuple[str, str]) -> ActionGraph:
    """Return a graph of an action ``a`` with consumers, each of a name and a hint."""
    found = graph("a")
    for name, hint in hints:
        inputs = (Input("in", "", Output("a", "out"), hint),)
        found.add(Action(name, f"//{name}", "write", f'{{"name":"{name}"}}', inputs, ("out",)))
    return found


class Hearing(Memory):
    """Notes the hints that it is given, by action."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[str, frozenset[str]] = {}

    def execute(self, request: Request) -> Result:
        self.heard[request.action.id] = request.hints
        return super().execute(request)


def test_an_action_is_told_how_its_output_is_wanted(engine: Engine) -> None:
    memory = Hearing()
    engine.run(hinted(("b", "zstd"), ("c", "gzip"), ("d", ""), ("e", "xz")), ["b", "c", "d"], memory)
    none: frozenset[str] = frozenset()
    assert memory.heard == {"a": frozenset({"zstd", "gzip"}), "b": none, "c": none, "d": none}


def test_the_parts_of_an_expansion_are_told_how_their_outputs_are_wanted(engine: Engine) -> None:
    class Expander(Hearing):
        def execute(self, request: Request) -> Result | Expansion:  # type: ignore[override]
            if request.action.id == "x":
                return Expansion(hinted(("b", "zstd")), {"out": Output("b", "out")})
            return super().execute(request)

    memory = Expander()
    engine.report(graph("x"), ["x"], memory)
    assert memory.heard["a"] == frozenset({"zstd"})


def test_results_are_used_again(engine: Engine) -> None:
    first, second = Memory(), Memory()
    engine.run(graph("a b:a"), ["b"], first)
    engine.run(graph("a b:a"), ["b"], second)
    assert (first.ran, second.ran) == (["a", "b"], [])
    assert [type(event) for event in engine.seen].count(ActionCached) == 2


def test_an_action_that_gives_the_same_stops_the_rebuild(engine: Engine) -> None:
    actions = graph("a b:a c:b d:c")
    known = engine.run(actions, ["d"], Memory(same="b"))
    changed = graph("a b:a c:b d:c")
    one = changed.actions["a"]
    changed.actions["a"] = Action(one.id, one.owner, one.kind, '{"name":"other"}', (), one.outputs)
    memory = Memory(lambda name: None, same="b")
    memory._same = "b"
    again = Memory(same="b")
    changed.actions["b"] = Action("b", "//b", "write", '{"name":"B"}', actions.actions["b"].inputs, ("out",))
    engine.run(changed, ["d"], again, known=known, dirty=["b"])
    assert again.ran == ["b"]


def test_no_more_jobs_run_at_once_than_allowed(engine: Engine) -> None:
    together = threading.Barrier(3)
    memory = Memory(lambda name: together.wait(60) if name in "abc" else time.sleep(0.01))
    engine.run(graph("a b c d e f:abcde"), ["f"], memory, jobs=3)
    assert memory.most == 3


def fail_in(names: str) -> Callable[[str], None]:
    def act(name: str) -> None:
        if name in names:
            raise BuildError(f"{name} failed")

    return act


def test_a_failure_stops_what_has_not_begun(engine: Engine) -> None:
    memory = Memory(fail_in("a"))
    with pytest.raises(BuildFailed) as caught:
        engine.run(graph("a b:a c d:bc"), ["d"], memory)
    assert list(caught.value.failures) == ["//a"]
    assert memory.ran == ["a"]
    assert caught.value.skipped == 3
    assert sum(isinstance(event, ActionFailed) for event in engine.seen) == 1


def test_keep_going_runs_what_does_not_depend_on_a_failure(engine: Engine) -> None:
    memory = Memory(fail_in("ae"))
    with pytest.raises(BuildFailed) as caught:
        engine.run(graph("a b:a c:b d e"), ["c", "d", "e"], memory, keep_going=True)
    assert sorted(memory.ran) == ["a", "d", "e"]
    assert set(caught.value.failures) == {"//a", "//e"}
    assert caught.value.skipped == 2


def test_a_failure_says_once_whose_it_is(engine: Engine) -> None:
    def act(name: str) -> None:
        raise BuildError("//b: no" if name == "b" else "no", location=PLACE if name == "c" else None)

    with pytest.raises(BuildFailed) as caught:
        engine.run(graph("a b c"), ["a", "b", "c"], Memory(act), keep_going=True)
    found = {owner: error.message for owner, error in caught.value.failures.items()}
    assert found == {"//a": "//a: no", "//b": "//b: no", "//c": "no"}


@pytest.mark.parametrize("jobs", [0, -1])
def test_there_is_at_least_one_job(jobs: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        Options(jobs)


def test_failures_are_not_cached(engine: Engine) -> None:
    for _ in range(2):
        memory = Memory(fail_in("a"))
        with pytest.raises(BuildFailed):
            engine.run(graph("a"), ["a"], memory)
        assert memory.ran == ["a"]


def test_an_interruption_is_no_failure(engine: Engine) -> None:
    def interrupt(name: str) -> None:
        raise BuildInterrupted

    ended: list[str] = []
    with pytest.raises(BuildInterrupted):
        engine.report(graph("a"), ["a"], Memory(interrupt), cancel=lambda: ended.append("a"))
    assert ended == ["a"]


def test_an_interruption_waits_for_what_runs(engine: Engine) -> None:
    begun, cancelled = threading.Event(), threading.Event()
    ended: list[str] = []

    def act(name: str) -> None:
        if name == "b":
            begun.wait(60)
            raise BuildInterrupted
        begun.set()
        cancelled.wait(60)
        time.sleep(0.05)
        ended.append(name)

    with pytest.raises(BuildInterrupted):
        engine.report(graph("a b"), ["a", "b"], Memory(act), jobs=2, cancel=cancelled.set)
    assert ended == ["a"]


def test_who_waits_for_the_same_action_elsewhere_can_be_interrupted(store: Store) -> None:
    events = Events()
    caching = Caching(Memory(), store.results, store.locks, lambda value: True, events)
    action = graph("a").actions["a"]
    caching.cancelled = True
    with store.locks.held(f"action:{key_of(preimage(action, ()))}"), pytest.raises(BuildInterrupted):
        caching.run(action, (), frozenset())
    caching.cancelled = False
    assert isinstance(caching.run(action, (), frozenset())[1], Result)


def test_a_cached_result_that_cannot_be_used_is_warned_of_once(store: Store) -> None:
    said: list[Event] = []
    memory, lost = Memory(), set[str]()
    caching = Caching(
        memory, store.results, store.locks, lambda value: value.digest not in lost, Events(said.append)
    )
    action = graph("a").actions["a"]
    key, first = caching.run(action, (), frozenset())
    assert isinstance(first, Result)
    assert caching.run(action, (), frozenset()) == (
        key,
        Result(first.outputs, first.milliseconds, executed=False),
    )
    lost.add(first.outputs["out"].digest)
    caching.run(action, (), frozenset())
    lost.clear()
    store.results.put(key, b"damaged", b"")
    caching.run(action, (), frozenset())
    store.results.put(key, replace(first, outputs={}).dump(), b"")
    caching.run(action, (), frozenset())
    assert memory.ran == ["a"] * 4
    warned = [one.message.partition(": ")[2][:20] for one in said if isinstance(one, Warned)]
    assert warned == [f"file {first.outputs['out'].digest}"[:20], *["its cached result is"] * 2]


def test_an_expansion_is_made_each_time(store: Store) -> None:
    """What it comes to is cached; it itself says nothing that a store could hold."""
    made = Expansion(graph("b"), {})

    class Expanding:
        def execute(self, request: Request) -> Expansion:
            return made

    caching = Caching(Expanding(), store.results, store.locks, lambda value: True, Events())
    for _ in range(2):
        assert caching.run(graph("a").actions["a"], (), frozenset())[1] is made


def test_no_thread_is_left(engine: Engine) -> None:
    before = threading.active_count()
    engine.run(graph("a b c d:abc"), ["d"], Memory(), jobs=3)
    with pytest.raises(BuildFailed):
        engine.run(graph("e f g"), ["e", "f", "g"], Memory(fail_in("e")), jobs=3)
    assert threading.active_count() == before


def test_one_key_is_executed_once_by_many(store: Store) -> None:
    memory = Memory(lambda name: time.sleep(0.05))
    threads = [threading.Thread(target=Engine(store).run, args=(graph("a"), ["a"], memory)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.ran == ["a"]


def test_events_tell_what_happened(engine: Engine) -> None:
    engine.run(graph("a b:a"), ["b"], Memory())
    finished = [event.id for event in engine.seen if isinstance(event, ActionFinished)]
    assert finished == ["a", "b"]
    assert [event.id for event in engine.seen if isinstance(event, ActionStarted)] == ["a", "b"]


def test_inputs_are_given_in_their_order(engine: Engine) -> None:
    seen: list[Sequence[Resolved]] = []

    class Looking(Memory):
        def execute(self, request: Request) -> Result:
            seen.append(request.inputs)
            return super().execute(request)

    engine.run(graph("a b c:ba"), ["c"], Looking())
    assert [one.path for one in seen[-1]] == ["b", "a"]


# Actions that stand for others.


class Expanding(Memory):
    """Expands the action ``x`` to those of another graph, of which ``end`` gives its output."""

    def __init__(self, inner: str, end: str, **options: object) -> None:
        super().__init__(**options)
        self._inner = inner
        self._end = end

    def execute(self, request: Request) -> Result | Expansion:
        if request.action.id == "x":
            self.ran.append("x")
            return Expansion(graph(self._inner), {"out": Output(self._end, "out")})
        return super().execute(request)


def test_an_action_gives_what_those_give_that_take_its_place(engine: Engine) -> None:
    memory = Expanding("p:a q:p", "q")
    report = engine.report(graph("a x:a y:x"), ["y"], memory)
    assert memory.ran == ["a", "x", "p", "q", "y"]
    assert report.known["x"].outputs == report.known["q"].outputs
    assert report.executed == ["a", "x", "y", "p", "q"]
    assert report.parts == {"x": ["p", "q"]}
    assert [one.added for one in engine.seen if isinstance(one, BuildGrew)] == [2]


def test_what_is_not_needed_of_an_expansion_is_not_run(engine: Engine) -> None:
    memory = Expanding("p q r:p", "r")
    engine.run(graph("x"), ["x"], memory)
    assert memory.ran == ["x", "p", "r"]


def test_an_expansion_whose_parts_are_cached_counts_as_cached(engine: Engine) -> None:
    engine.run(graph("x y:x"), ["y"], Expanding("p q:p", "q"))
    report = engine.report(graph("x y:x"), ["y"], Expanding("p q:p", "q"))
    assert report.executed == []
    assert report.cached == 4


def test_parts_run_side_by_side(engine: Engine) -> None:
    memory = Expanding("p q r:pq", "r", act=lambda name: time.sleep(0.05))
    engine.run(graph("x"), ["x"], memory, jobs=4)
    assert memory.most == 2


def test_parts_that_give_the_same_stop_the_rebuild(engine: Engine) -> None:
    known = engine.run(graph("a x:a y:x"), ["y"], Expanding("p q:p", "q"))
    memory = Expanding("p:a q", "q")
    report = engine.report(
        graph("a x:a y:x"), ["y"], Expanding("r q:r", "q", same="q"), known=known, dirty=["x"]
    )
    assert "y" in report.executed
    memory = Expanding("s q:s", "q", same="q")
    report = engine.report(graph("a x:a y:x"), ["y"], memory, known=report.known, dirty=["x"])
    assert memory.ran == ["x", "s", "q"]
    assert report.executed == ["x", "s", "q"]


def test_a_part_that_fails_fails_what_depends_on_it(engine: Engine) -> None:
    def act(name: str) -> None:
        if name == "p":
            raise BuildError("no")

    memory = Expanding("p q:p", "q", act=act)
    with pytest.raises(BuildFailed) as caught:
        engine.run(graph("x y:x b c:by"), ["c"], memory, keep_going=True)
    assert list(caught.value.failures) == ["//p"]
    assert "y" not in memory.ran
    assert "b" in memory.ran


def test_actions_of_other_machines_run_beside_those_of_this_one(store: Store) -> None:
    """Twelve run at once where this machine runs one, which waits for none of them."""
    begun = threading.Barrier(13)

    def act(name: str) -> None:
        if name != "n":
            begun.wait(60)

    memory = Memory(act)
    actions = graph("a b c d e f g h i j k l m n")
    events = Events()
    caching = Caching(memory, store.results, store.locks, lambda value: True, events)
    options = Options(1, elsewhere=12, is_elsewhere=lambda action: action.id not in "mn")
    report = Scheduler(caching, NoSources(), options, events).run(actions, list("abcdefghijklmn"))
    assert (memory.most, len(report.executed)) == (13, 14)


def test_lookups_run_at_once_and_this_machine_executes_as_many_as_it_should(store: Store) -> None:
    """Results are asked for by four threads, of which one at a time has the slot to execute."""
    looking = threading.Barrier(4)
    memory, slots = Memory(lambda name: time.sleep(0.01)), Slots(1)

    class Distant:
        def get(self, key: str, image: bytes = b"", *, nearby: bool = False) -> bytes | None:
            if not nearby:
                looking.wait(60)
            return None

        put = store.results.put
        preimage = store.results.preimage

    events = Events()
    caching = Caching(
        memory,
        Distant(),
        store.locks,
        lambda value: True,
        events,
        slot=lambda action: slots.taken(caching.give_up_if_cancelled),
    )
    Scheduler(caching, NoSources(), Options(1, lookups=3), events).run(graph("a b c d"), list("abcd"))
    assert memory.most == 1


def test_a_thread_that_has_a_slot_needs_no_other(store: Store) -> None:
    """An action is executed, and once more to verify it; meanwhile another thread waits, and can be interrupted."""
    slots = Slots(1)
    caching = Caching(Memory(), store.results, store.locks, lambda value: True, Events())
    caching.cancelled = True

    def wait() -> None:
        with pytest.raises(BuildInterrupted), slots.taken(caching.give_up_if_cancelled):
            pass

    with ThreadPoolExecutor(1) as others, slots.taken(caching.give_up_if_cancelled):
        with slots.taken(caching.give_up_if_cancelled):
            pass
        others.submit(wait).result(60)


def test_events_tell_where_an_action_was_executed(engine: Engine) -> None:
    class Distant(Memory):
        def execute(self, request: Request) -> Result:
            return replace(super().execute(request), where="build.example.com")

    engine.run(graph("a"), ["a"], Distant())
    assert [one.where for one in engine.seen if isinstance(one, ActionFinished)] == ["build.example.com"]

"""Executing one action: the protocol, and the cache around whatever implements it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from hermes.digest import Digest, canonical_json, parse_json
from hermes.engine.action import Action, ActionGraph, Output, Outputs, Value
from hermes.engine.events import ActionStarted, Events, Warned
from hermes.engine.key import SCHEMA, Resolved, key_of, preimage
from hermes.errors import BuildError, BuildInterrupted
from hermes.store import ResultCache
from hermes.store.locks import KeyLocks

_VERSION: Final = 1
_TURN: Final = 0.1
"""Seconds after which who waits for a slot looks whether that is still of use."""


@dataclass(frozen=True, slots=True)
class Request:
    """An action with all that it reads. ``hints`` are forms in which consumers would like its outputs.

    It is what an executor needs to know, and goes to other processes and machines as data.
    """

    action: Action
    inputs: Sequence[Resolved]
    key: str
    hints: frozenset[str] = frozenset()

    def to_data(self) -> dict[str, Any]:
        """Return JSON values from which `of_data` makes a request that gives the same outputs anywhere.

        Without whose action it is, as targets may share one, and without where files are on this machine: what is read
        is named by its digest.
        """
        action = self.action
        return {
            "codec": action.codec,
            "env": action.env,
            "hints": sorted(self.hints),
            "inputs": [[one.role, one.path, *one.value] for one in self.inputs],
            "key": self.key,
            "kind": action.kind,
            "outputs": list(action.outputs),
            "params": action.params,
            "platform": action.platform,
            "schema": SCHEMA,
            "timeout": action.timeout,
            "unkeyed": action.unkeyed,
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Request:
        """Return the request that `to_data` described; raises `BuildError` for one of another version of Hermes."""
        if data["schema"] != SCHEMA:
            raise BuildError(
                f"the action is of schema {data['schema']}, and this version of Hermes executes schema {SCHEMA}",
                hint="use one version of Hermes for builds and workers",
            )
        inputs = tuple(
            Resolved(role, path, Value(kind, Digest.parse(digest), size))
            for role, path, kind, digest, size in data["inputs"]
        )
        action = Action(
            id=data["key"],
            owner="",
            kind=data["kind"],
            params=data["params"],
            inputs=(),
            outputs=tuple(data["outputs"]),
            unkeyed=data["unkeyed"],
            env=data["env"],
            platform=data["platform"],
            codec=data["codec"],
            timeout=data["timeout"],
        )
        return cls(action, inputs, data["key"], frozenset(data["hints"]))


@dataclass(frozen=True, slots=True)
class Result:
    """What an action gave.

    ``milliseconds`` is how long it took when it was executed, ``log`` the digest of what it printed (or
    empty; the text is at `hermes.store.Store.log_path`), ``executed`` whether that was now, and ``where`` the name of
    the machine or service that did it, empty for this one. A result that is not ``lasting`` holds for one build,
    for more decides it than the key knows.
    """

    outputs: Outputs
    milliseconds: int = 0
    log: str = ""
    executed: bool = True
    where: str = ""
    lasting: bool = True

    def dump(self) -> bytes:
        outputs = {name: list(value) for name, value in self.outputs.items()}
        document = {
            "log": self.log,
            "milliseconds": self.milliseconds,
            "outputs": outputs,
            "status": 0,
            "version": _VERSION,
        }
        return canonical_json(document)

    @classmethod
    def load(cls, data: bytes) -> Result | None:
        """Return a stored result, or None when it is damaged or of another version."""
        try:
            document: dict[str, Any] = parse_json(data)
            if document["version"] != _VERSION:
                return None
            outputs = {
                name: Value(str(kind), Digest.parse(digest), int(size))
                for name, (kind, digest, size) in document["outputs"].items()
            }
            for (
                name,
                value,
            ) in outputs.items():  # names are those of files; no file has a lone surrogate of another kind
                f"{name}{value.kind}".encode("utf-8", "surrogateescape")
            log = Digest.parse(document["log"]) if document["log"] else ""
            where = str(document.get("where", ""))
            return cls(outputs, int(document["milliseconds"]), log, executed=False, where=where)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it cannot be used
            return None


@dataclass(frozen=True, slots=True)
class Expansion:
    """Actions that take the place of one, known only when that is executed: its ``outputs`` are outputs of theirs.

    Besides each other they read sources and what the action itself reads.
    """

    graph: ActionGraph
    outputs: Mapping[str, Output]


class Executor(Protocol):
    """Executes actions. Called from several threads at once."""

    def execute(self, request: Request) -> Result | Expansion:
        """Return what the action gives, or the actions that do; raises `HermesError` when it fails."""
        ...


class Slots:
    """What bounds how many actions this machine executes at once; those that another executes need none.

    A thread that has a slot has it for all that it does with it: an action that is made twice takes one.
    """

    def __init__(self, count: int) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._of_thread = threading.local()

    @contextmanager
    def taken(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Have a slot; ``waiting`` is called on each turn of a wait for one, and may raise to give up."""
        if getattr(self._of_thread, "is_taken", False):
            yield
            return
        while not self._free.acquire(timeout=_TURN):
            waiting()
        self._of_thread.is_taken = True
        try:
            yield
        finally:
            self._of_thread.is_taken = False
            self._free.release()


class Caching:
    """An executor that asks a cache first, and executes one key once however many processes want it.

    ``available`` tells whether the bytes behind an output are still there. Failures are not cached. ``slot`` is what an
    action has while it is executed. Once ``cancelled``, what waits gives up. Actions for which ``again`` holds are executed
    whatever is known of them. Outputs of which ``is_left`` says that another machine has them need not be there;
    ``check`` returns a result that was found, or a better one, or raises `HermesError`.
    """

    def __init__(
        self,
        inner: Executor,
        results: ResultCache,
        locks: KeyLocks,
        available: Callable[[Value], bool],
        events: Events,
        about: Callable[[Action], str] = lambda action: action.kind,
        slot: Callable[[Action], AbstractContextManager[None]] = lambda _: nullcontext(),
        again: Callable[[Action], bool] = lambda _: False,
        is_left: Callable[[Value], bool] = lambda _: False,
        check: Callable[[Request, Result], Result] | None = None,
    ) -> None:
        self._inner = inner
        self._results = results
        self._locks = locks
        self._available = available
        self._events = events
        self._about = about
        self._slot = slot
        self._again = again
        self._is_left = is_left
        self._check = check
        self.cancelled = False

    def run(
        self, action: Action, inputs: Sequence[Resolved], hints: frozenset[str]
    ) -> tuple[str, Result | Expansion]:
        """Return the key and the result of an action, from the cache or by executing it.

        An expansion is made each time; what it comes to is in the cache.
        """
        image = preimage(action, inputs)
        key = key_of(image)
        if found := self._find(key, action, image):
            if self._check is not None:
                found = self._check(Request(action, inputs, key, hints), found)
            return key, found
        with self._locks.held(f"action:{key}", waiting=self.give_up_if_cancelled):
            if found := self._find(key, action, image, again=True):
                return key, found
            with self._slot(action):
                return key, self._executed(Request(action, inputs, key, hints), image)

    def _executed(self, request: Request, image: bytes) -> Result | Expansion:
        action = request.action
        started = time.monotonic()
        self._events.emit(ActionStarted(action.id, action.owner, action.kind, started, self._about(action)))
        result = self._inner.execute(request)
        if isinstance(result, Expansion):
            return result
        result = replace(result, milliseconds=int((time.monotonic() - started) * 1000))
        if result.lasting:
            self._results.put(request.key, result.dump(), image)
        return result

    def _find(self, key: str, action: Action, image: bytes, *, again: bool = False) -> Result | None:
        data = None if self._again(action) else self._results.get(key, image, nearby=again)
        if data is None:
            return None
        result = Result.load(data)
        if result is None or set(result.outputs) != set(action.outputs):
            if not again:
                self._events.emit(Warned(f"{action.owner}: its cached result is damaged; building it again"))
            return None
        for value in result.outputs.values():
            if not self._available(value):
                if not (again or self._is_left(value)):
                    self._events.emit(
                        Warned(
                            f"{action.owner}: {value.kind} {value.digest} is gone from the store "
                            "or was changed; building it again"
                        )
                    )
                return None
        return result

    def give_up_if_cancelled(self) -> None:
        """Raise `BuildInterrupted` in a build that was."""
        if self.cancelled:
            raise BuildInterrupted

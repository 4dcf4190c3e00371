"""What a build, a pull or a push reports while it goes on. Who listens is not known here.

Times are seconds of `time.monotonic`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from hermes.errors import HermesError


@dataclass(frozen=True, slots=True)
class BuildStarted:
    """``total`` actions are to be looked at, on ``jobs`` workers."""

    total: int
    jobs: int


@dataclass(frozen=True, slots=True)
class BuildGrew:
    """An action turned out to stand for others: ``added`` more are to be looked at."""

    added: int


@dataclass(frozen=True, slots=True)
class ActionStarted:
    """An action found no result and is being executed; ``about`` is one line for people that says what it does."""

    id: str
    owner: str
    kind: str
    time: float
    about: str = ""


@dataclass(frozen=True, slots=True)
class ActionCached:
    """An action's result was found; ``where`` names the cache, and is empty for this machine's."""

    id: str
    owner: str
    kind: str
    key: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class ActionMoved:
    """An action that another machine is to execute has come to a stage, which is one word or a few for people."""

    id: str
    owner: str
    kind: str
    stage: str


@dataclass(frozen=True, slots=True)
class ActionFinished:
    """An action was executed and gave its outputs; ``where`` names the machine that did it, and is empty for this one."""

    id: str
    owner: str
    kind: str
    key: str
    started: float
    ended: float
    where: str = ""


@dataclass(frozen=True, slots=True)
class ActionFailed:
    """An action was executed and failed."""

    id: str
    owner: str
    kind: str
    error: HermesError
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class ActionPrinted:
    """The command of an action printed ``text``: whole lines, without what would drive a terminal."""

    id: str
    owner: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class BlobExpected:
    """A blob of ``size`` bytes is going to come from a registry, or with ``sending`` to go to one, unless it is there."""

    digest: str
    size: int
    sending: bool


@dataclass(frozen=True, slots=True)
class BlobMoved:
    """Of a blob that comes from a registry, or with ``sending`` goes to one, ``done`` of ``size`` bytes have crossed."""

    digest: str
    done: int
    size: int
    sending: bool


@dataclass(frozen=True, slots=True)
class BlobEnded:
    """A blob that was on its way has arrived, or was given up."""

    digest: str


@dataclass(frozen=True, slots=True)
class BytesMoved:
    """A build sent ``up`` bytes of content to remote services, and fetched ``down`` from them."""

    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Warned:
    """Something is not as it should be, and the build goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class BuildFinished:
    """The build ended; ``executed`` and ``cached`` count actions."""

    executed: int
    cached: int
    failed: int


Event = (
    BuildStarted
    | BuildGrew
    | ActionStarted
    | ActionCached
    | ActionMoved
    | ActionFinished
    | ActionFailed
    | ActionPrinted
    | BlobExpected
    | BlobMoved
    | BlobEnded
    | BytesMoved
    | Warned
    | BuildFinished
)
Subscriber = Callable[[Event], None]


class Events:
    """Hands each event to every subscriber, one at a time."""

    def __init__(self, *subscribers: Subscriber) -> None:
        self._subscribers = list(subscribers)
        self._guard = threading.Lock()

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    def emit(self, event: Event) -> None:
        with self._guard:
            for subscriber in self._subscribers:
                subscriber(event)

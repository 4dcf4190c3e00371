"""Waiting for the network no longer than the user does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from hermes.errors import BuildInterrupted

_SECONDS: Final = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Ended(Generic[T]):
    """What a function returned, if it did, or raised."""

    values: list[T]
    error: BaseException | None = None


def interruptible(function: Callable[[], T], cancelled: threading.Event) -> T:
    """Return what ``function`` returns, and raise what it raises; `BuildInterrupted` as soon as ``cancelled`` is set.

    It runs in a thread of its own, which is left alone then: nothing tells a thread to end that is stuck in the network.
    """
    ended = queue.SimpleQueue[_Ended[T]]()

    def work() -> None:
        try:
            ended.put(_Ended([function()]))
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            ended.put(_Ended([], error))

    threading.Thread(target=work, name="network", daemon=True).start()
    try:
        while not cancelled.is_set():
            with suppress(queue.Empty):
                result = ended.get(timeout=_SECONDS)
                break
        else:
            raise BuildInterrupted
    except BaseException:
        cancelled.set()
        raise
    if result.error is not None:
        raise result.error
    return result.values[0]

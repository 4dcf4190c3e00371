"""Waiting for the network no longer than the user does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Final, TypeVar

from hermes.errors import BuildInterrupted

_SECONDS: Final = 0.1

T = TypeVar("T")


def interruptible(function: Callable[[], T], cancelled: threading.Event) -> T:
    """Return what ``function`` returns, and raise what it raises; `BuildInterrupted` as soon as ``cancelled`` is set.

    It runs in a thread of its own, which is left alone then: nothing tells a thread to end that is stuck in the network.
    """
    ended: Future[T] = Future()

    def work() -> None:
        try:
            ended.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            ended.set_exception(error)

    threading.Thread(target=work, name="network", daemon=True).start()
    try:
        while not wait([ended], _SECONDS).done:
            if cancelled.is_set():
                raise BuildInterrupted
    except BaseException:
        cancelled.set()
        raise
    return ended.result()

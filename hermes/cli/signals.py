"""What a command line that runs a program does with signals: it passes them on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from hermes.sandbox import signals

_PASSED_ON: Final = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
    *(signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
)
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)
_MOST: Final = 3


@contextmanager
def passed_on() -> Iterator[None]:
    """Pass signals on to the program, which decides what comes of them; its exit status tells.

    While there is none they interrupt, and so does the third that asks for the end. What is ignored stays so.
    """
    asked = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += number in _ENDING
        if asked == _MOST or not signals.send(number):
            action = before[signal.Signals(number)]
            if callable(action):
                action(number, frame)
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _PASSED_ON}
    for number, action in before.items():
        if action is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)

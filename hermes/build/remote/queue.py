"""Says that no worker takes what a build sends: the service itself waits without a word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from hermes.remote.execution import EXECUTING, QUEUED

_SECONDS: Final = 10.0


class Queue:
    """What waits for workers of one service in a build.

    ``say`` is called once for each set of properties that no worker has shown to have within ``seconds``.
    """

    def __init__(self, address: str, say: Callable[[str], None], seconds: float = _SECONDS) -> None:
        self._address = address
        self._say = say
        self._seconds = seconds
        self._guard = threading.Lock()
        self._known: set[str] = set()

    @contextmanager
    def watched(self, owner: str, properties: Mapping[str, str]) -> Iterator[Callable[[str], None]]:
        """Watch an action that needs a worker with these properties; what is given is told of its stages."""
        needed = shown(properties)
        timer = threading.Timer(self._seconds, self._tell, (owner, needed))
        timer.daemon = True

        def moved(stage: str) -> None:
            if stage == EXECUTING:
                timer.cancel()
                self._is_new(needed)
            elif stage == QUEUED and needed not in self._known and timer.ident is None:
                timer.start()

        try:
            yield moved
        finally:
            timer.cancel()

    def _is_new(self, needed: str) -> bool:
        with self._guard:
            was_known = needed in self._known
            self._known.add(needed)
        return not was_known

    def _tell(self, owner: str, needed: str) -> None:
        if self._is_new(needed):
            self._say(
                f"{owner}: no worker of {self._address} has taken it in {self._seconds:g} s; it waits for one that "
                f"has {needed} (--remote-queue-timeout bounds that)"
            )


def shown(properties: Mapping[str, str]) -> str:
    """Return the properties of workers as people read them."""
    return ", ".join(f"{name}={value}" for name, value in sorted(properties.items()))

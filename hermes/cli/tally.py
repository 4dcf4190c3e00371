"""What is printed at the end of a build besides its result: what its actions do, which took longest, and which ran elsewhere."""

from __future__ import annotations

from typing import Final

from hermes.engine.events import (
    ActionCached,
    ActionFailed,
    ActionFinished,
    ActionPrinted,
    ActionStarted,
    BytesMoved,
    Event,
)
from hermes.sizes import size

_WORTH_SAYING: Final = 1.0
"""An action of fewer seconds is not told of."""


class Tally:
    """Remembers of each action what it does, of those that ended the slowest, and how many were done where."""

    def __init__(self) -> None:
        self._about: dict[str, str] = {}
        self._slowest: tuple[float, str] = (0.0, "")
        self._executed = _Count()
        self._cached = _Count()
        self._up = self._down = 0

    def event(self, event: Event) -> None:
        if isinstance(event, ActionStarted):
            self._about[event.id] = event.about or event.kind
        elif isinstance(event, ActionFinished):
            self._executed.add(event.where)
            seconds = event.ended - event.started
            if seconds > self._slowest[0]:
                self._slowest = seconds, f"{event.owner} {self.about(event)}"

        elif isinstance(event, ActionCached):
            self._cached.add(event.where)
        elif isinstance(event, BytesMoved):
            self._up += event.up
            self._down += event.down

    def about(self, event: ActionStarted | ActionFinished | ActionFailed | ActionPrinted) -> str:
        """Return what an action does, in one line."""
        return self._about.get(event.id, event.kind)

    def slowest(self) -> str:
        """Return the action that took longest, and its seconds; nothing where all were quick."""
        seconds, text = self._slowest
        return f"slowest: {seconds:.1f}s {text}" if seconds >= _WORTH_SAYING else ""

    def elsewhere(self) -> str:
        """Return what remote services and caches have done of the build; nothing where they have done nothing."""
        if not (self._executed.there or self._cached.there or self._up or self._down):
            return ""
        return (
            f"actions: {self._executed.here} executed here, {self._executed.there} there; "
            f"{self._cached.here} cached here, {self._cached.there} there; "
            f"{size(self._up)} sent, {size(self._down)} fetched"
        )


class _Count:
    """How many actions this machine did, and others."""

    def __init__(self) -> None:
        self.here = self.there = 0

    def add(self, where: str) -> None:
        if where:
            self.there += 1
        else:
            self.here += 1

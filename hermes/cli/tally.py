"""What of a build is told at its end, besides its result: what its actions do, and which took longest."""

from __future__ import annotations

from typing import Final

from hermes.engine.events import ActionFailed, ActionFinished, ActionPrinted, ActionStarted, Event

_WORTH_SAYING: Final = 1.0
"""An action of fewer seconds is not told of."""


class Tally:
    """Remembers of each action what it does, and of those that ended the slowest."""

    def __init__(self) -> None:
        self._about: dict[str, str] = {}
        self._slowest: tuple[float, str] = (0.0, "")

    def event(self, event: Event) -> None:
        if isinstance(event, ActionStarted):
            self._about[event.id] = event.about or event.kind
        elif isinstance(event, ActionFinished):
            seconds = event.ended - event.started
            if seconds > self._slowest[0]:
                self._slowest = seconds, f"{event.owner} {self.about(event)}"

    def about(self, event: ActionStarted | ActionFinished | ActionFailed | ActionPrinted) -> str:
        """Return what an action does, in one line."""
        return self._about.get(event.id, event.kind)

    def slowest(self) -> str:
        """Return the action that took longest, and its seconds; nothing where all were quick."""
        seconds, text = self._slowest
        return f"slowest: {seconds:.1f}s {text}" if seconds >= _WORTH_SAYING else ""

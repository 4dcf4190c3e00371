"""Lines for a build, for logs and where no terminal is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hermes.cli.lines import WARNING, write_line

if TYPE_CHECKING:
    from hermes.cli.tally import Tally
    from hermes.engine.events import ActionFailed, ActionFinished, ActionPrinted, Event

_LONGEST: Final = 120


def clipped(text: str) -> str:
    """Return what a line of a log says of an action, not too long."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


class Plain:
    """A line for each action that was executed, and before it what its command printed, as it comes."""

    def __init__(self) -> None:
        self._done = 0
        self._total = 0
        self._tally: Tally | None = None
        self._speaking: set[str] = set()

    def event(self, event: Event) -> None:
        from hermes.engine.events import (
            ActionCached,
            ActionFailed,
            ActionFinished,
            ActionPrinted,
            ActionStarted,
            BuildGrew,
            BuildStarted,
            BytesMoved,
            Warned,
        )

        match event:
            case BuildStarted(total=total):
                self._total = self._done + total
            case BuildGrew(added=added):
                self._total += added
            case ActionCached():
                self._told().event(event)
                self._done += 1
            case BytesMoved():
                self._told().event(event)
            case ActionStarted():
                self._told().event(event)
            case ActionFinished(started=started, ended=ended):
                self._told().event(event)
                self._end(event, f"{ended - started:.1f}s{f' on {event.where}' if event.where else ''}")
            case ActionFailed():
                self._end(event, "FAILED")
            case ActionPrinted():
                if event.id not in self._speaking:
                    self._speaking.add(event.id)
                    self.say(self._what(event))
                self.printed(event.id, [f"{event.owner} | {line}" for line in event.text.split("\n")])
            case Warned(message=message):
                self.warn(message)
            case _:
                pass

    def _told(self) -> Tally:
        if self._tally is None:
            from hermes.cli.tally import Tally

            self._tally = Tally()
        return self._tally

    def _what(self, event: ActionFinished | ActionFailed | ActionPrinted) -> str:
        return clipped(f"{event.owner} {self._told().about(event)}")

    def _end(self, event: ActionFinished | ActionFailed, how: str) -> None:
        self._done += 1
        self._speaking.discard(event.id)
        self.ended(event.id, f"[{self._done}/{self._total}] {self._what(event)} {how}")

    def printed(self, action: str, lines: list[str]) -> None:
        """Show what the command of an action printed."""
        for line in lines:
            self.say(line)

    def ended(self, action: str, text: str) -> None:
        """Show that an action has ended."""
        self.say(text)

    def warn(self, text: str) -> None:
        """Show a warning."""
        self.say(f"{WARNING}{text}")

    def say(self, text: str) -> None:
        write_line(text)

    def summary(self, text: str) -> None:
        self.say(text)
        for line in (self._tally.slowest(), self._tally.elsewhere()) if self._tally else ():
            if line:
                self.say(clipped(line))

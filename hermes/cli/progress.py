"""What a build shows while it goes on: lines, or a live display on a terminal. All on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from hermes.cli.lines import summary_line, write_line

if TYPE_CHECKING:
    from hermes.build.result import BuildResult
    from hermes.cli.live import Live
    from hermes.engine.events import Event

PROGRESS: Final = ("auto", "tty", "plain", "quiet")
"""How builds are shown: as fits, live, in lines with what commands print, or not."""

_WARNING: Final = "warning: "


class Display(Protocol):
    """Shows a build."""

    def event(self, event: Event) -> None:
        """Take notice of an event."""
        ...

    def say(self, text: str) -> None:
        """Show a line."""
        ...

    def summary(self, result: BuildResult, seconds: float) -> None:
        """Show how it ended."""
        ...


@contextmanager
def display(*, quiet: bool, progress: str = "auto") -> Iterator[Display]:
    """Give the display that fits where standard error goes, or that ``progress`` says, one of `PROGRESS`."""
    if quiet or progress == "quiet":
        yield Quiet()
    elif progress == "tty" or (progress == "auto" and _is_terminal()):
        terminal = Terminal()
        try:
            yield terminal
        finally:
            terminal.close()
    else:
        yield Plain()


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Quiet:
    """Shows warnings only, whatever else is said."""

    def event(self, event: Event) -> None:
        name = type(event).__name__
        if name == "Warned":
            self.say(f"{_WARNING}{event.message}")  # type: ignore[union-attr]

    def say(self, text: str) -> None:
        if text.startswith(_WARNING):
            write_line(text)

    def summary(self, result: BuildResult, seconds: float) -> None:
        """Nothing is shown."""


class Plain:
    """A line for each action that was executed, and before it what its command printed."""

    def __init__(self) -> None:
        self._done = 0
        self._total = 0

    def event(self, event: Event) -> None:
        from hermes.engine.events import (
            ActionCached,
            ActionFailed,
            ActionFinished,
            ActionPrinted,
            BuildGrew,
            BuildStarted,
            Warned,
        )

        match event:
            case BuildStarted(total=total):
                self._total = self._done + total
            case BuildGrew(added=added):
                self._total += added
            case ActionCached():
                self._done += 1
            case ActionFinished(owner=owner, kind=kind, started=started, ended=ended):
                self._done += 1
                self.say(f"[{self._done}/{self._total}] {owner} {kind} {ended - started:.1f}s")
            case ActionFailed(owner=owner, kind=kind):
                self._done += 1
                self.say(f"[{self._done}/{self._total}] {owner} {kind} FAILED")
            case ActionPrinted(owner=owner, text=text):
                for line in text.split("\n"):
                    self.say(f"{owner} | {line}")
            case Warned(message=message):
                self.say(f"{_WARNING}{message}")
            case _:
                pass

    def say(self, text: str) -> None:
        write_line(text)

    def summary(self, result: BuildResult, seconds: float) -> None:
        write_line(summary_line(result, seconds))


class Terminal:
    """A live display, which is not even loaded for a build that has nothing to do."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def event(self, event: Event) -> None:
        if self._live is None:
            from hermes.cli.live import Live

            self._live = Live()
        self._live.event(event)

    def say(self, text: str) -> None:
        if self._live is None:
            write_line(text)
        else:
            self._live.say(text)

    def summary(self, result: BuildResult, seconds: float) -> None:
        if self._live is None:
            write_line(summary_line(result, seconds))
        else:
            self._live.summary(result, seconds)

    def close(self) -> None:
        """Take the display off the terminal."""
        if self._live is not None:
            self._live.close()

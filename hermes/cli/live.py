"""The live display: what is running and for how long, how far the build is, and how much came from the cache."""

from __future__ import annotations

import time

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.text import Text

from hermes.api.result import BuildResult
from hermes.cli.progress import elapsed, summary_line
from hermes.engine.events import (
    ActionCached,
    ActionFailed,
    ActionFinished,
    ActionStarted,
    BuildGrew,
    BuildStarted,
    Event,
    Warned,
)

_MOST_SHOWN = 8
_AFTER_SECONDS = 0.15


class Live:
    """See `hermes.cli.progress.Display`. Nothing is drawn for a build that ends at once."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live: RichLive | None = None
        self._running: dict[str, ActionStarted] = {}
        self._total = self._done = self._cached = 0
        self._started = time.monotonic()

    def event(self, event: Event) -> None:
        match event:
            case BuildStarted(total=total):
                self._total = total
                if total and self._live is None:
                    self._live = RichLive(
                        console=self._console,
                        get_renderable=self._render,
                        transient=True,
                        refresh_per_second=8,
                    )
                    self._live.start()
            case BuildGrew(added=added):
                self._total += added
            case ActionStarted(id=name):
                self._running[name] = event
            case ActionCached():
                self._done += 1
                self._cached += 1
            case ActionFinished(id=name):
                self._running.pop(name, None)
                self._done += 1
            case ActionFailed(id=name, owner=owner, kind=kind):
                self._running.pop(name, None)
                self._done += 1
                self._print(Text(f"{owner} {kind} failed", style="bold red"))
            case Warned(message=message):
                self._print(Text(f"warning: {message}", style="yellow"))
            case _:
                pass

    def say(self, text: str) -> None:
        self._print(Text(text))

    def summary(self, result: BuildResult, seconds: float) -> None:
        self.close()
        self._print(Text(summary_line(result, seconds), style="green"))

    def close(self) -> None:
        """Take the display off the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)

    def _render(self) -> Group:
        if time.monotonic() - self._started < _AFTER_SECONDS:
            return Group()
        head = Text(f"[{self._done}/{self._total}] ", style="bold cyan")
        head.append(f"{self._cached} cached, {elapsed(self._started)}", style="dim")
        running = sorted(self._running.values(), key=lambda one: one.time)
        lines = [head]
        for one in running[:_MOST_SHOWN]:
            line = Text(f"  {one.owner} ", no_wrap=True, overflow="ellipsis")
            line.append(f"{one.kind} {elapsed(one.time)}", style="dim")
            lines.append(line)
        if len(running) > _MOST_SHOWN:
            lines.append(Text(f"  and {len(running) - _MOST_SHOWN} more", style="dim"))
        return Group(*lines)

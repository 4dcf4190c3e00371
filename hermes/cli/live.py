"""The live display: what is running and for how long, how far the build and each blob is, how much came from the cache."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hermes.build.result import BuildResult
from hermes.cli.lines import elapsed, summary_line
from hermes.digest import Digest
from hermes.engine.events import (
    ActionCached,
    ActionFailed,
    ActionFinished,
    ActionPrinted,
    ActionStarted,
    BlobEnded,
    BlobMoved,
    BuildFinished,
    BuildGrew,
    BuildStarted,
    Event,
    Warned,
)
from hermes.sizes import size

_MOST_SHOWN = 8
_AFTER_SECONDS = 0.15
_BAR = 24


class Live:
    """See `hermes.cli.progress.Display`. Nothing is drawn for what ends at once."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live: RichLive | None = None
        self._running: dict[str, ActionStarted] = {}
        self._said: dict[str, str] = {}
        self._blobs: dict[str, BlobMoved] = {}
        self._is_building = self._is_closed = False
        self._total = self._done = self._cached = 0
        self._started = time.monotonic()

    def event(self, event: Event) -> None:
        match event:
            case BuildStarted(total=total):
                self._total = self._done + total
                self._is_building = bool(total)
                if total:
                    self._show()
            case BuildGrew(added=added):
                self._total += added
            case BuildFinished():
                self._is_building = False
            case BlobMoved(digest=digest):
                self._blobs[digest] = event
                self._show()
            case BlobEnded(digest=digest):
                self._blobs.pop(digest, None)
            case ActionStarted(id=name):
                self._running[name] = event
            case ActionCached():
                self._done += 1
                self._cached += 1
            case ActionPrinted(id=name, text=text):
                self._said[name] = next((one for one in reversed(text.split("\n")) if one.strip()), "")
            case ActionFinished(id=name):
                self._end(name)
            case ActionFailed(id=name, owner=owner, kind=kind):
                self._end(name)
                self._print(Text(f"{owner} {kind} failed", style="bold red"))
            case Warned(message=message):
                self._print(Text(f"warning: {message}", style="yellow"))

    def _end(self, name: str) -> None:
        self._running.pop(name, None)
        self._said.pop(name, None)
        self._done += 1

    def say(self, text: str) -> None:
        self._print(Text(text))

    def summary(self, result: BuildResult, seconds: float) -> None:
        self.close()
        self._print(Text(summary_line(result, seconds), style="green"))

    def close(self) -> None:
        """Take the display off the terminal for good: a thread that nobody waits for may still tell of a blob."""
        self._is_closed = True
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self) -> None:
        if self._live is None and not self._is_closed:
            self._live = RichLive(
                console=self._console,
                get_renderable=self._render,
                transient=True,
                refresh_per_second=8,
            )
            self._live.start()

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)

    def _render(self) -> Group:
        if time.monotonic() - self._started < _AFTER_SECONDS:
            return Group()
        return Group(*self._actions(), *self._transfers())

    def _actions(self) -> Iterator[Text]:
        if not self._is_building:
            return
        head = Text(f"[{self._done}/{self._total}] ", style="bold cyan")
        head.append(f"{self._cached} cached, {elapsed(self._started)}", style="dim")
        yield head
        running = sorted(self._running.values(), key=lambda one: one.time)
        for one in running[:_MOST_SHOWN]:
            line = Text(f"  {one.owner} ", no_wrap=True, overflow="ellipsis")
            line.append(f"{one.kind} {elapsed(one.time)}", style="dim")
            yield line
            if said := self._said.get(one.id):
                yield Text(f"    {said}", style="dim", no_wrap=True, overflow="ellipsis")
        if len(running) > _MOST_SHOWN:
            yield Text(f"  and {len(running) - _MOST_SHOWN} more", style="dim")

    def _transfers(self) -> Iterator[Table]:
        moving = list(self._blobs.values())
        if moving:
            rows = Table.grid(padding=(0, 1))
            for one in moving[:_MOST_SHOWN]:
                rows.add_row(
                    "  sending" if one.sending else "  fetching",
                    Digest(one.digest).short,
                    ProgressBar(one.size, one.done, width=_BAR),
                    Text(f"{size(one.done)} of {size(one.size)}", style="dim", no_wrap=True),
                )
            yield rows

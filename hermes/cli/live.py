"""The live display: what runs, for how long and what it says last, how far the build is, and how far each blob.

Every line is made to fit: what is long is shortened, what is less needed is left out, and there are never more lines
than the terminal has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.text import Text

from hermes.cli.tally import Tally
from hermes.cli.transfers import Transfer, Transfers, Whole
from hermes.digest import Digest
from hermes.engine.events import (
    ActionCached,
    ActionFailed,
    ActionFinished,
    ActionPrinted,
    ActionStarted,
    BlobEnded,
    BlobExpected,
    BlobMoved,
    BuildFinished,
    BuildGrew,
    BuildStarted,
    Event,
    Warned,
)
from hermes.sizes import size

_MOST_ACTIONS: Final = 8
_MOST_BLOBS: Final = 6
_AFTER_SECONDS: Final = 0.15
_BAR: Final = (8, 24)
"""The least and the greatest width of a bar; where there is no room for the least, there is none."""


class Live:
    """See `hermes.cli.progress.Display`. Nothing is drawn for what ends at once.

    ``clock`` gives seconds, as `time.monotonic` does.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = clock
        self._live: RichLive | None = None
        self._running: dict[str, ActionStarted] = {}
        self._said: dict[str, str] = {}
        self._tally = Tally()
        self._transfers = Transfers()
        self._is_building = self._is_closed = False
        self._total = self._done = self._cached = 0
        self._started = clock()

    def event(self, event: Event) -> None:
        self._tally.event(event)
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
            case BlobExpected() | BlobMoved() | BlobEnded():
                self._transfers.event(event, self._clock())
                self._show()
            case ActionStarted(id=name):
                self._running[name] = event
            case ActionCached():
                self._done += 1
                self._cached += 1
            case ActionPrinted(id=name, text=text):
                self._said[name] = next((one for one in reversed(text.split("\n")) if one.strip()), "")
            case ActionFinished(id=name):
                self._end(name)
            case ActionFailed(id=name):
                self._end(name)
                failed = f"{event.owner} {self._tally.about(event)}"
                room = self._console.width - cell_len(" failed")
                self._print(Text(f"{_shortened(failed, max(room, 20))} failed", style="bold red"))
            case Warned(message=message):
                self._print(Text(f"warning: {message}", style="yellow"))

    def _end(self, name: str) -> None:
        self._running.pop(name, None)
        self._said.pop(name, None)
        self._done += 1

    def say(self, text: str) -> None:
        self._print(Text(text))

    def summary(self, text: str) -> None:
        self.close()
        self._print(Text(text, style="green"))
        for line in (self._tally.slowest(), self._tally.elsewhere()):
            if line:
                self._print(Text(_shortened(line, self._console.width), style="dim"))

    def close(self) -> None:
        """Take the display off the terminal for good: a thread that nobody waits for may still tell of a blob."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._live is not None:
            self._live.stop()
            self._live = None
        for sending, count, crossed, seconds in self._transfers.summaries():
            if seconds >= _AFTER_SECONDS:
                text = (
                    f"{'sent' if sending else 'fetched'} {_counted(count)}, {size(crossed)} in {seconds:.1f}s"
                )
                self._print(Text(text, style="dim"))

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
        if self._clock() - self._started < _AFTER_SECONDS:
            return Group()
        return Group(*self.lines(*self._console.size))

    def lines(self, width: int, height: int) -> list[Text]:
        """Return what is shown now, on a terminal of so many columns and lines."""
        room = max(1, height - 1)
        transfers = list(self._wholes(width))
        actions = self._actions(width, room - min(len(transfers), room - 1)) if self._is_building else []
        room -= len(actions) + len(transfers)
        blobs = self._transfers.moving() if transfers and room > 0 else []
        rows = [_blob_line(one, width) for one in blobs[: min(room, _MOST_BLOBS)]]
        return [*actions, *transfers, *rows][: max(1, height - 1)]

    def _actions(self, width: int, room: int) -> list[Text]:
        now = self._clock()
        running = sorted(self._running.values(), key=lambda one: one.time)
        head = Text(f"[{self._done}/{self._total}] ", style="bold cyan", no_wrap=True)
        parts = [
            f"{self._cached} cached",
            *([f"{len(running)} running"] if running else []),
            _seconds(now - self._started),
        ]
        head.append(_shortened(", ".join(parts), width - cell_len(head.plain)), style="dim")
        found = [head]
        most = min(_MOST_ACTIONS, room - 1)
        if len(running) > most:
            most = max(0, most - 1)
        spare = room - 1 - min(len(running), most + 1)
        for one in running[:most]:
            found.append(_action_line(one, now - one.time, width))
            said = self._said.get(one.id)
            if said and spare > 0:
                spare -= 1
                found.append(Text(_shortened(f"    {said.strip()}", width), style="dim", no_wrap=True))
        if len(running) > most and room > 1:
            found.append(Text(_shortened(f"  and {len(running) - most} more", width), style="dim"))
        return found

    def _wholes(self, width: int) -> Iterator[Text]:
        if self._transfers.are_under_way:
            for one in self._transfers.wholes(self._clock()):
                if one.ended < one.total:
                    yield _whole_line(one, width)


def _action_line(action: ActionStarted, seconds: float, width: int) -> Text:
    """Return ``  OWNER WHAT IT DOES    TIME``; of an owner without room the end is shown, which says more."""
    taken = _seconds(seconds)
    room = max(0, width - cell_len(taken) - 1)
    owner, most = action.owner, max(12, room // 2 - 2)
    if cell_len(owner) > most:
        owner = f"…{owner[1 - most :]}"
    text = _shortened(f"  {owner} {action.about or action.kind}", room)
    line = Text(text, no_wrap=True)
    line.stylize("dim", cell_len(owner) + 3)
    line.append(f"{'':{room - cell_len(text)}} {taken}", style="cyan")
    line.truncate(width)
    return line


def _whole_line(whole: Whole, width: int) -> Text:
    """Return one line for all blobs, of which the parts that say least are left out where there is no room."""
    verb = "sending" if whole.sending else "fetching"
    parts = {
        "verb": verb,
        "count": f"{whole.ended}/{whole.total}",
        "bytes": f"{size(whole.done)} of {size(whole.size)}",
        "rate": f"{size(int(whole.rate))}/s" if whole.rate else "",
        "left": f"{_seconds(whole.left)} left" if whole.left is not None else "",
    }
    shown = {name: text for name, text in parts.items() if text}
    for less in ("count", "left", "rate"):
        if sum(map(cell_len, shown.values())) + len(shown) - 1 > width:
            shown.pop(less, None)
    used = sum(map(cell_len, shown.values())) + len(shown) - 1
    line = Text(no_wrap=True)
    for name, text in shown.items():
        if name == "bytes":
            line.append_text(_bar(whole.done, whole.size, width - used - 1))
        line.append(f"{text} ", style="" if name == "verb" else "dim")
    line.rstrip()
    line.truncate(width)
    return line


def _blob_line(blob: Transfer, width: int) -> Text:
    """Return ``  DIGEST BAR BYTES`` of one blob."""
    moved = f"{size(blob.done)} of {size(blob.size)}"
    line = Text(f"  {Digest(blob.digest).short} ", style="", no_wrap=True)
    line.append_text(_bar(blob.done, blob.size, width - cell_len(line.plain) - cell_len(moved) - 1))
    line.append(moved, style="dim")
    line.truncate(width)
    return line


def _bar(done: int, whole: int, room: int) -> Text:
    """Return a bar and a space, or nothing where there is no room for one."""
    least, greatest = _BAR
    if room < least:
        return Text()
    width = min(room, greatest)
    full = min(width, width * done // whole) if whole else width
    return Text.assemble(("━" * full, "green"), ("─" * (width - full), "dim"), " ")


def _shortened(text: str, width: int) -> str:
    """Return a text in so many columns, with an ellipsis for what is cut off."""
    text = "".join(one if one.isprintable() else " " for one in text)
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 0 else ""


def _counted(number: int) -> str:
    return f"{number} blob{'s' if number != 1 else ''}"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f}s"
    return f"{int(seconds) // 60}m{int(seconds) % 60:02}s"

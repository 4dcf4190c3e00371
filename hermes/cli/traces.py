"""Files about a build: a Chrome trace, and events as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

from hermes.engine.events import ActionFailed, ActionFinished, Event
from hermes.errors import HermesError, UsageError


@contextmanager
def trace(path: Path) -> Iterator[Callable[[Event], None]]:
    """Write what ran when, for ``chrome://tracing`` or Perfetto."""
    rows: list[dict[str, Any]] = []
    lanes: list[float] = []

    def take(event: Event) -> None:
        if not isinstance(event, ActionFinished | ActionFailed):
            return
        lane = next((number for number, free in enumerate(lanes) if free <= event.started), len(lanes))
        lanes[lane : lane + 1] = [event.ended]
        rows.append(
            {
                "name": f"{event.owner} {event.kind}",
                "cat": event.kind,
                "ph": "X",
                "ts": int(event.started * 1e6),
                "dur": int((event.ended - event.started) * 1e6),
                "pid": 1,
                "tid": lane + 1,
                "args": {"action": event.id, "failed": isinstance(event, ActionFailed)},
            }
        )

    with _opened(path) as file:
        yield take
        json.dump({"displayTimeUnit": "ms", "traceEvents": rows}, file)


@contextmanager
def event_lines(path: Path) -> Iterator[Callable[[Event], None]]:
    """Write each event as it comes, one JSON object a line."""
    with _opened(path) as file:

        def take(event: Event) -> None:
            row: dict[str, Any] = {"event": type(event).__name__}
            for one in fields(event):
                value = getattr(event, one.name)
                row[one.name] = value.render() if isinstance(value, HermesError) else value
            file.write(json.dumps(row) + "\n")
            file.flush()

        yield take


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    with file:
        yield file

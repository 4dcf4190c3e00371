"""Executes actions that builds on other machines have sent: one, or all that a build service gives."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from hermes.actions.packed import SCHEMA, LocalFolder, write_folder
from hermes.api.collecting import forget_lost
from hermes.build.remote.abilities import found_here
from hermes.build.remote.station import UNABLE, Answer, Station
from hermes.build.remote.worker import Worker, WorkerOptions
from hermes.errors import BuildInterrupted, UsageError
from hermes.store import gc

_BETWEEN: Final = 30.0
"""Seconds between two looks at the size of a worker's store."""


def execute_action(schema: int, action: Path, out: Path) -> int:
    """Execute the action in the folder of the file ``action``, write the folder ``out``, and return the exit status.

    Without a store in the environment there is one for this action alone. Raises `HermesError` where not even an error can
    be written to ``out``.
    """
    if schema != SCHEMA:
        print(
            f"error: schema {schema} is not known to this version of Hermes, which has {SCHEMA}",
            file=sys.stderr,
        )
        return UNABLE
    if action.name != "action.json":
        raise UsageError(f"expected action.json and the folder it is in, got {action}")
    if home := os.environ.get("HERMES_HOME"):
        return _executed(Path(home), action.parent, out, lasting=True)
    with tempfile.TemporaryDirectory(prefix="hermes-action-", ignore_cleanup_errors=True) as folder:
        return _executed(Path(folder) / "home", action.parent, out, lasting=False)


def _executed(home: Path, folder: Path, out: Path, *, lasting: bool) -> int:
    with Station(home) as station:
        try:
            with station.store.in_use():
                answer = station.execute(LocalFolder(folder))
                write_folder(answer.parts, out, station.tools)
        finally:
            station.close()
            if not lasting:
                station.remove()
    _report(answer)
    return answer.status


def _report(answer: Answer) -> None:
    """Say in the worker's log what went wrong; the build that sent the action has it in the result."""
    if answer.error is not None:
        print(f"error: {answer.error.render()}", file=sys.stderr)


def run_worker(
    home: Path,
    runtime: str,
    options: WorkerOptions,
    say: Callable[[str], None],
    stopped: Callable[[float], int],
) -> None:
    """Execute actions for a build service until ``stopped`` says so, which waits some seconds and counts requests.

    At the first what runs ends first, at the second at once. Raises `SandboxError` where this machine cannot execute
    anything, and `RemoteError` where the service does not want it.
    """
    with Station(home, runtime) as station:
        able = tuple(found_here(station, runtime, options.architectures))
        station.layers.remover.sweep()
        worker = Worker(station, replace(options, able=able), say)
        properties = ", ".join(f"{name}={value}" for name, value in worker.properties())
        say(f"{options.address.text}: {options.jobs} at once, {properties}")
        keeper = _Keeper(station, options.max_size)
        asked = 0

        def heed() -> None:
            nonlocal asked
            count = stopped(0)
            if count > asked:
                asked = count
                say("stopping" if count == 1 else "stopping at once")
                worker.stop(now=count > 1)

        def look() -> None:
            heed()
            if not asked:
                keeper.look(wait)

        def wait() -> None:
            heed()
            if asked:
                raise BuildInterrupted

        look()
        worker.run(look)


class _Keeper:
    """Keeps a store below a size, by looking at it at first and now and then."""

    def __init__(self, station: Station, most: int | None) -> None:
        self._station = station
        self._most = most
        self._next = time.monotonic()

    def look(self, waiting: Callable[[], None]) -> None:
        """Remove what was not used for longest, if it is time and there is too much; ``waiting`` may give up a wait for actions."""
        if self._most is None or time.monotonic() < self._next:
            return
        store = self._station.store
        if sum(size for _, size in gc.usage(store).kinds.values()) > self._most:
            remove = self._station.layers.remover.remove
            with suppress(BuildInterrupted):
                gc.collect(store, self._most // 2, remove, tuple, lambda: forget_lost(store), waiting)
        self._next = time.monotonic() + _BETWEEN

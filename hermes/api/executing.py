"""Executes an action that a build on another machine has sent."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from hermes.actions.packed import SCHEMA, LocalFolder, write_folder
from hermes.build.remote.station import UNABLE, Answer, Station
from hermes.errors import UsageError


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

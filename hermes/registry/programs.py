"""Programs of this machine that know stores which Hermes does not read itself."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from hermes.errors import BuildError

_SHOWN: Final = 500


def run(command: Sequence[str], what: str) -> str:
    """Run a program, and return its output; raises `BuildError` with what it says when it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it does not say why"]
        raise BuildError(f"{what}: {command[0]} failed: {said[-1][-_SHOWN:]}")
    return done.stdout


def found(names: Sequence[str]) -> str | None:
    """Return the first of some programs that is installed."""
    return next((name for name in names if shutil.which(name)), None)

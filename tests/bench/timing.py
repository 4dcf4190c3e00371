"""Whole processes, timed: ours and a peer's in turn, so that both see the same machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

HERMES = (sys.executable, "-m", "hermes")
_LAUNCHER = """
import os, sys, time
started = time.monotonic()
closed = [(os.POSIX_SPAWN_CLOSE, int(sys.argv[1]))]
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=closed)
_, status, usage = os.wait4(pid, 0)
figures = time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss
os.write(int(sys.argv[1]), b"%f %f %d" % figures)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
"""What starts a command: Linux counts the memory of who starts a process as the process's own, so it is a small program."""


class Measured(NamedTuple):
    """Seconds of wall time, seconds of processor time with all children, the largest resident size in MB."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Row:
    """One figure: ours beside the peer's (or beside nothing), and what it must not exceed.

    ``bound`` is for the ratio where there is a peer, else for our figure itself.
    """

    case: str
    ours: float
    peer: float | None
    bound: float
    unit: str = "s"

    @property
    def figure(self) -> float:
        return self.ours / self.peer if self.peer else self.ours

    @property
    def is_met(self) -> bool:
        return self.figure <= self.bound


@dataclass(frozen=True)
class Command:
    """A command line, and what has to be done before each time it is run."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    before: Callable[[], object] = lambda: None

    def measure(self) -> Measured:
        """Run it once; raises `RuntimeError` when it fails."""
        self.before()
        environment = {**os.environ, **self.env}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or a checkout is compiled again at every start
        said, told = os.pipe()
        with open(said, "rb") as answer:
            try:
                done = subprocess.run(
                    [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(told), *self.argv],
                    cwd=self.cwd,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=[told],
                    check=False,
                )
            finally:
                os.close(told)
            figures = answer.read().split()
        if done.returncode or not figures:
            raise RuntimeError(f"{' '.join(self.argv)}: {done.stdout.decode(errors='replace')[-2000:]}")
        wall, cpu, memory = map(float, figures)
        return Measured(wall, cpu, memory / 1024)


def median(command: Command, rounds: int) -> Measured:
    """Return the medians of several runs."""
    return _medians([command.measure() for _ in range(rounds)])


def pair(ours: Command, peer: Command | None, rounds: int) -> tuple[Measured, Measured | None]:
    """Run two commands in turn; return the medians of each."""
    if peer is None:
        return median(ours, rounds), None
    runs = [(ours.measure(), peer.measure()) for _ in range(rounds)]
    return _medians([one for one, _ in runs]), _medians([other for _, other in runs])


def _medians(runs: Sequence[Measured]) -> Measured:
    return Measured(*(statistics.median(column) for column in zip(*runs, strict=True)))

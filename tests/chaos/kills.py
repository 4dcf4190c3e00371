"""Kills commands at random moments, and looks for what is left of them and for wrong results."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.chaos.scene import KINDS, STUCK, Scene, Stuck
from tests.processes import leftovers

CHILD: Final = "a child"
"""Instead of a signal for the command: SIGKILL for some process that it has started."""

_HOW: Final = (
    *("SIGKILL",) * 5,
    *(CHILD,) * 2,
    *("SIGTERM", "SIGQUIT", "SIGINT", "SIGHUP"),
)
_ROUND: Final = 12
"""Kills before the sources change, and results are compared."""
_PATIENCE: Final = 20.0
"""Seconds that the processes of a killed command have to be gone."""
_GROUPS: Final = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer", "/sys/fs/cgroup")


class Chaos:
    """``folder`` is for the scenes, ``user`` who runs the commands (empty: this process's user), by
    ``runtime``.

    ``kills`` counts what was killed, by command and way; ``faults`` says what was wrong.
    """

    def __init__(
        self,
        folder: Path,
        seed: int,
        user: str = "",
        runtime: str = "bwrap",
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.kills: Counter[tuple[str, str]] = Counter()
        self.faults: list[str] = []
        self._scene = Scene(folder / "killed", user, runtime)
        self._quiet = Scene(folder / "quiet", user)
        self._chance = random.Random(seed)
        self._seed = seed
        self._say = say
        self._lasts = dict.fromkeys(KINDS, 1.0)

    def run(self, count: int) -> None:
        """Kill ``count`` commands."""
        with _control_group(self._seed) as group:
            number = 0
            while (done := self.kills.total()) < count:
                number += 1
                self._round(f"{self._seed} {number}", min(_ROUND, count - done), group)
                if number % 5 == 0:
                    self._settled("cache", "gc", "--max-size", "0")
                self._say(f"{self.kills.total()} kills, {len(self.faults)} faults")

    def _round(self, salt: str, count: int, group: Path | None) -> None:
        self._quiet.change(salt)
        expected = {kind: self._expected(kind) for kind in KINDS}
        self._try(lambda: self._scene.change(salt))
        for number in range(count):
            self._kill(KINDS[number % len(KINDS)], group)
        for kind in KINDS:
            with self._noting():
                found = self._scene.result(kind)
                if found != expected[kind]:
                    self.faults.append(f"{kind}: {found} instead of {expected[kind]}")
        self._settled("cache", "verify")
        for folder in (self._scene.home / "tmp", self._scene.temporary):
            self.faults += [f"left in {folder}: {name}" for name in os.listdir(folder)]

    def _expected(self, kind: str) -> str:
        """Return the right result. How long a command of the kind lasts says when it may be killed."""
        began = time.monotonic()
        result = self._quiet.result(kind)
        self._lasts[kind] = time.monotonic() - began
        return result

    def _kill(self, kind: str, group: Path | None) -> None:
        how = self._chance.choice(_HOW)
        process = self._scene.start(*self._scene.arguments(kind), group=group)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._chance.uniform(0.05, self._lasts[kind] * 1.1))
        if how == CHILD:
            _kill_one(self._chance, process.pid, group)
        elif process.poll() is None:
            process.send_signal(signal.Signals[how])
        self.kills[kind, how] += 1
        what = f"{kind}, {how}"
        try:
            _, errors = process.communicate(timeout=STUCK)
        except subprocess.TimeoutExpired:
            left = list(_members(group))  # what is left may have its output, too
            self.faults.append(f"{what}: it does not end, or something of it: {left}")
            process.kill()
            _kill_all(group)
            _, errors = process.communicate()
        if "Traceback" in errors and not _is_of_start(errors):
            self.faults.append(f"{what}: {errors[-2000:]}")
        self._look_for_rest(what, group)

    def _look_for_rest(self, what: str, group: Path | None) -> None:
        end = time.monotonic() + _PATIENCE
        while (left := [*_members(group), *leftovers(self._scene.home)]) and time.monotonic() < end:
            time.sleep(0.02)
        if left:
            self.faults.append(f"{what}: left {left}")
            _kill_all(group)

    def _settled(self, *arguments: str) -> None:
        self._try(lambda: self._scene.finished(*arguments))

    def _try(self, act: Callable[[], object]) -> None:
        with self._noting():
            act()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except Stuck as error:
            self.faults.append(str(error))


def _is_of_start(errors: str) -> bool:
    """Tell whether an interruption came while Python started, before there was anybody to take it."""
    return errors.rstrip().endswith("KeyboardInterrupt") and ", in main\n" not in errors


def _kill_one(chance: random.Random, main: int, group: Path | None) -> None:
    """Kill some process of a control group, as the kernel does when there is no memory."""
    found = [pid for pid in _pids(group) if pid != main]
    if found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(found), signal.SIGKILL)


def _kill_all(group: Path | None) -> None:
    for pid in _pids(group):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def _control_group(seed: int) -> Iterator[Path | None]:
    """Give a control group, which no process leaves by itself; None where this process may not make any."""
    for parent in _GROUPS:
        group = Path(parent, f"hermes-chaos-{os.getpid()}-{seed}")
        try:
            group.mkdir()
        except OSError:
            continue
        if not (group / "cgroup.procs").exists():
            group.rmdir()
            continue
        try:
            yield group
        finally:
            group.rmdir()
        return
    yield None


def _pids(group: Path | None) -> list[int]:
    return [] if group is None else [int(line) for line in (group / "cgroup.procs").read_text().split()]


def _members(group: Path | None) -> Iterator[str]:
    """Yield the processes of a control group that have not ended; what has waits for a parent that is another's."""
    for pid in _pids(group):
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
            if state != "Z":
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(bytes(1), b" ")
                yield f"{pid}: {command.decode(errors='replace').strip()}"

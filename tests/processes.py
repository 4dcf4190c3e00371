"""Which processes and mounts are still there that a test or a store has to do with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SESSION: Final = "HERMES_TEST_SESSION"
"""A variable that the processes of a test session inherit; its value is the process that runs the tests."""


def leftovers(home: Path) -> list[str]:
    """Return mounts and processes that have to do with a store.

    A process has when it knows the store by its environment or command line, or mounts something of it in a mount
    namespace of its own, as a command does whose environment says nothing.
    """
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return [one for one in mounts if str(home) in one] + list(processes_of(str(home)))


def processes_of(*words: str) -> Iterator[str]:
    """Yield the number and command line of each process that one of some words leads to; see `leftovers`.

    Left out are this process, those that started it, and what has ended and only waits to be noticed.
    """
    wanted = [word.encode() for word in words]
    own_mounts = os.readlink("/proc/self/ns/mnt")
    left_out = set(_above(os.getpid()))
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in left_out:
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(bytes(1), b" ")
            texts = [(entry / "environ").read_bytes(), command]
            if os.readlink(entry / "ns/mnt") != own_mounts:
                texts.append((entry / "mountinfo").read_bytes())
        except OSError:
            continue
        if any(word in text for word in wanted for text in texts):
            yield f"{entry.name}: {command.decode(errors='replace').strip()}"


def _above(pid: int) -> Iterator[int]:
    """Yield a process and those that started it."""
    while pid:
        yield pid
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        pid = int(fields[1])

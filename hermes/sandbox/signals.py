"""Signals for the command that runs in a sandbox, from the process that asked for it.

It owns the user namespace of the command, and so may signal it whatever its user is; see kill(2), user_namespaces(7).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from hermes.sandbox import init

_FIRST: Final = (b"bwrap", init.arguments("", ())[0].encode())


class _Seen(NamedTuple):
    """A process: its parent, and its own numbers, from this process namespace to its innermost."""

    parent: int
    numbers: tuple[int, ...]


def send(number: int, starter: int = 0) -> bool:
    """Send a signal to the command that this process, or ``starter``, has started; tell whether there is one."""
    program = _program(starter or os.getpid())
    if program is None:
        return False
    try:
        os.kill(program, number)
    except ProcessLookupError:
        return False
    return True


def is_running(starter: int) -> bool:
    """Tell whether a command that the process ``starter`` has started is still there."""
    return _program(starter) is not None


def _program(starter: int) -> int | None:
    """Return the oldest child of the first process of the sandbox, which starts nothing else itself."""
    seen = dict(_processes())
    firsts = [
        pid
        for pid, one in seen.items()
        if len(one.numbers) > 1 and one.numbers[-1] == 1 and _is_below(pid, starter, seen) and _is_first(pid)
    ]
    if not firsts:
        return None
    first = min(firsts, key=lambda pid: len(seen[pid].numbers))
    depth = len(seen[first].numbers)
    children = [pid for pid, one in seen.items() if one.parent == first and len(one.numbers) == depth]
    return min(children, key=lambda pid: seen[pid].numbers[-1], default=None)


def _processes() -> Iterator[tuple[int, _Seen]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, KeyError), open(f"/proc/{name}/status", "rb") as file:
                fields = dict(line.split(b":", 1) for line in file if b":" in line)
                numbers = tuple(map(int, fields[b"NSpid"].split()))
                yield int(name), _Seen(int(fields[b"PPid"]), numbers)


def _is_below(pid: int, starter: int, seen: dict[int, _Seen]) -> bool:
    while pid in seen:
        pid = seen[pid].parent
        if pid == starter:
            return True
    return False


def _is_first(pid: int) -> bool:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read(4096).split(b"\0", 1)[0] in _FIRST
    return False

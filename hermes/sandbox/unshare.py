"""A user and a mount namespace for a program of this machine, with the ids that containers have."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from hermes.errors import SandboxError, UsageError
from hermes.sandbox.idmap import current_map
from hermes.sandbox.namespace import no_namespace, write_map
from hermes.sandbox.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_PRIVATE,
    MS_REC,
    die_with_parent,
    mount,
    unshare,
)


def run_unshared(argv: Sequence[str]) -> int:
    """Run a program as root of a new user namespace; return its exit status (128 and more: a signal).

    Raises `SandboxError` when there can be no namespace, `UsageError` when there is no such program.
    """
    ready, made = os.pipe()
    go, mapped = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(ready)
        os.close(mapped)
        _become(argv, made, go, parent)
    os.close(made)
    os.close(go)
    try:
        return _parent(pid, argv, ready, mapped)
    finally:
        os.close(ready)
        os.close(mapped)


def _parent(pid: int, argv: Sequence[str], ready: int, mapped: int) -> int:
    """Map the child's ids and wait for it. Signals of the terminal are the child's business."""
    number = os.read(ready, 1)
    if number != b"\0":
        os.waitpid(pid, 0)
        raise no_namespace(number[0] if number else 0)
    try:
        write_map(pid, current_map())
    except SandboxError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(mapped, b"m")
    number = os.read(ready, 1)
    _, status = os.waitpid(pid, 0)
    signal.signal(signal.SIGINT, before)
    if number:
        raise UsageError(f"{argv[0]} cannot be started: {os.strerror(number[0])}")
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(argv: Sequence[str], made: int, go: int, parent: int) -> None:
    """Turn the forked child into the program, which ends with its parent.

    Errors go through the pipe ``made``, as one byte.
    """
    try:
        unshare(CLONE_NEWUSER)
        os.write(made, b"\0")
        if not os.read(go, 1):
            os._exit(1)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        die_with_parent(signal.SIGKILL)  # forgotten when ids change
        if os.getppid() != parent:
            os._exit(1)
        unshare(CLONE_NEWNS)
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        sys.stdout.flush()
        os.execvp(argv[0], list(argv))
    except OSError as error:
        os.write(made, bytes([error.errno or 1]))
    finally:
        os._exit(126)

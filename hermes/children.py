"""Programs of this machine that end with Hermes, however that ends.

A signal on a parent's death (prctl(2)) comes with the end of the thread that started the child, does not reach what that
has started, and leaves a gap before it is asked for. So a shell stands by that reads from a pipe, of which this process
alone holds the other end: it kills when the pipe is closed without a word.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

_KEEPER: Final = """
pipe=$1 doomed=$2
shift 2
[ -n "$doomed" ] || doomed=$$
[ "$doomed" != group ] || doomed=-$$
( { read -r end || kill -s KILL -- "$doomed"; } < "/proc/self/fd/$pipe" > /dev/null 2>&1 & )
exec "$@"
"""


@contextmanager
def started(
    command: Sequence[str], *, terminal: bool = False, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, and end it with all that it has started if it is still there afterwards.

    ``options`` are those of `subprocess.Popen`. It has a session of its own; with ``terminal`` it stays in that of this
    process, so that it can ask for a password, and what it starts is its own business. Raises `FileNotFoundError` when
    there is no such program.
    """
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    ours, theirs = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "sh", str(ours), "" if terminal else "group", *command],
                pass_fds=[ours],
                start_new_session=not terminal,
                **options,
            )
        finally:
            os.close(ours)
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        (os.kill if terminal else os.killpg)(process.pid, signal.SIGKILL)
    finally:
        with contextlib.suppress(BrokenPipeError):
            os.write(theirs, b"\n")
        os.close(theirs)


def run(
    command: Sequence[str],
    data: bytes | None = None,
    timeout: float | None = None,
    *,
    terminal: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end with ``data`` as its standard input (none: nothing), and return what it printed.

    ``terminal``: see `started`. Raises `subprocess.TimeoutExpired` after ``timeout`` seconds.
    """
    with started(
        command,
        terminal=terminal,
        stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        output, errors = process.communicate(data, timeout)
        return subprocess.CompletedProcess(command, process.returncode, output, errors)

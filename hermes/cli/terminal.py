"""A terminal of its own for a program: a pseudo-terminal, relayed to the one that Hermes runs on.

The program's line discipline is that of the pseudo-terminal, so Ctrl-C reaches it and not Hermes, and it hears
when the window changes its size. See pty(7), tty_ioctl(4).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from hermes.errors import UsageError

_PIECE: Final = 1 << 16
_NO_SIZE: Final = bytes(8)

Stdio = tuple[int, int, int]


@contextmanager
def standard(*, terminal: bool | None, shown: deque[bytes] | None = None) -> Iterator[tuple[Stdio, bool]]:
    """Give the descriptors for a program's standard input, output and error, and whether they are a terminal.

    What is shown on the terminal is added to ``shown``, too.

    ``terminal`` asks for one; None is to have one where Hermes has one. Raises `UsageError` when one is asked for
    where there is none.
    """
    has_one = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal and not has_one:
        raise UsageError("standard input and output are no terminal", hint="leave out --terminal")
    if terminal or (terminal is None and has_one):
        with _relayed(shown) as stdio:
            yield stdio, True
    else:
        yield (0, 1, 2), False


@contextmanager
def _relayed(shown: deque[bytes] | None) -> Iterator[Stdio]:
    ours, theirs = os.openpty()
    stop, stopped = os.pipe()
    before = termios.tcgetattr(0)
    termios.tcsetattr(theirs, termios.TCSANOW, before)
    pumps = [threading.Thread(target=_pump_in, args=(ours, stop), daemon=True)]
    pumps.append(threading.Thread(target=_pump_out, args=(ours, shown), daemon=True))
    with _sized(ours):
        tty.setraw(0)
        try:
            for pump in pumps:
                pump.start()
            yield theirs, theirs, theirs
        finally:
            os.close(theirs)
            os.close(stopped)
            for pump in reversed(pumps):
                pump.join()
            termios.tcsetattr(0, termios.TCSAFLUSH, before)
            os.close(ours)
            os.close(stop)


@contextmanager
def _sized(ours: int) -> Iterator[None]:
    """Keep the size of a terminal that of ours."""

    def resize(*_: object) -> None:
        with contextlib.suppress(OSError):
            fcntl.ioctl(ours, termios.TIOCSWINSZ, fcntl.ioctl(1, termios.TIOCGWINSZ, _NO_SIZE))

    before: Callable[..., object] | int | None = signal.signal(signal.SIGWINCH, resize)
    resize()
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _pump_in(ours: int, stop: int) -> None:
    while True:
        ready, _, _ = select.select([0, stop], [], [])
        if stop in ready:
            return
        data = os.read(0, _PIECE)
        if not data:
            return
        with contextlib.suppress(OSError):
            os.write(ours, data)


def _pump_out(ours: int, shown: deque[bytes] | None) -> None:
    """Show what the program writes, until nobody has its end of the terminal open."""
    while True:
        try:
            data = os.read(ours, _PIECE)
        except OSError as error:
            if error.errno == errno.EIO:
                return
            raise
        if not data:
            return
        if shown is not None:
            shown.append(data)
        while data:
            data = data[os.write(1, data) :]

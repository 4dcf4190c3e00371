"""A program on a terminal of its own: job control, Ctrl-C, the window's size, the exit status."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.conftest import Sandbox

_SECONDS = 20
_LOCAL = 3
"""Where in the settings of a terminal its local modes are."""
_CHARACTERS = 6
"""Where its special characters are."""


class Session:
    """A command on a pseudo-terminal, as a person would sit before it."""

    def __init__(
        self, sandbox: Sandbox, arguments: Sequence[str], *, piped: bool = False, around: bool = False
    ) -> None:
        """``piped``: its standard output is shown at the end, between angle brackets.

        ``around``: a shell says "before" and waits for a line, then runs the command, says its status, and waits again.
        """
        command = [sys.executable, "-m", "hermes", *arguments]
        if piped:
            command = ["/bin/sh", "-c", 'echo "<"$("$@")">"', "sh", *command]
        if around:
            script = 'echo before; read go; "$@"; echo status $?; read go'
            command = ["/bin/sh", "-c", script, "sh", *command]
        self.seen = ""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(sandbox.root)
            os.environ.update(HERMES_HOME=str(sandbox.home), TERM="vt100")
            os.execv(command[0], command)
        self.resize(33, 99)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def mode(self) -> list[object]:
        """The settings of the terminal, as termios has them."""
        return termios.tcgetattr(self._fd)

    def set_mode(self, settings: list[object]) -> None:
        termios.tcsetattr(self._fd, termios.TCSANOW, settings)  # type: ignore[arg-type]

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def until(self, text: str) -> None:
        """Wait until a text is shown after what was waited for before."""
        end = time.monotonic() + _SECONDS
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            if select.select([self._fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self._fd, 4096).decode(errors="replace")
                except OSError:
                    break
        assert text in self.seen, self.seen
        self.seen = self.seen.partition(text)[2]

    def ended(self) -> int:
        """Wait for the end; return the exit status."""
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            if select.select([self._fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self._fd, 4096).decode(errors="replace")
                except OSError:
                    break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def prepared(based: Sandbox) -> Iterator[Sandbox]:
    based.write(
        "app/BUILD",
        'image(\n    name = "image",\n    entrypoint = ["/bin/sh"],\n    layers = ["//base:root"],\n)\n',
    )
    done = based.run("ctr", "from", "--name", "c", "//app:image")
    assert done.returncode == 0, done.stderr
    yield based
    based.run("ctr", "rm", "--all")


COMMANDS = {
    "hermes run": ["run", "-q", "//app:image"],
    "hermes ctr run": ["ctr", "run", "-t", "c", "--", "sh"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_shell_has_a_terminal(prepared: Sandbox, command: str) -> None:
    session = Session(prepared, COMMANDS[command])
    session.until("/ # " if os.geteuid() == 0 else "# ")
    session.type("test -t 0 && test -t 2 && echo is a te''rminal: $-\n")
    session.until("is a terminal: ")
    session.until("m")  # job control
    session.type("sleep 100; echo slept: $?\n")
    session.until("slept: $?")
    time.sleep(0.5)
    session.type("\x03")
    session.type("echo go''es on\n")
    session.until("goes on")
    session.type("exit 7\n")
    assert session.ended() == 7


CLEANS_UP = 'trap "sleep 0.3; echo cleaned up; exit 9" INT QUIT; echo ready; while :; do sleep 0.1; done'


@pytest.mark.parametrize("key", ["\x03", "\x1c"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_program_without_job_control_cleans_up_after_an_interrupt(
    prepared: Sandbox, command: str, key: str
) -> None:
    arguments = COMMANDS[command]
    session = Session(prepared, [*arguments, *([] if "--" in arguments else ["--"]), "-c", CLEANS_UP])
    session.until("ready")
    session.type(key)
    session.until("cleaned up")
    assert session.ended() == 9


@pytest.mark.parametrize("command", COMMANDS)
def test_standard_input_may_be_a_terminal_where_the_output_is_none(prepared: Sandbox, command: str) -> None:
    arguments = [one for one in COMMANDS[command] if one != "-t"]
    arguments += [*([] if "--" in arguments else ["--"]), "-c", "cat; echo the end"]
    session = Session(prepared, arguments, piped=True)
    time.sleep(1)
    session.type("hello\n\x04")
    session.until("<hello the end>")
    assert session.ended() == 0


def test_a_window_that_changes_its_size_is_noticed(prepared: Sandbox) -> None:
    session = Session(prepared, ["run", "-q", "--entrypoint", "/bin/busybox", "//app:image", "sh"])
    session.until("# ")
    session.type("busybox stty size; echo do''ne\n")
    session.until("33 99")
    session.until("done")
    session.resize(44, 111)
    time.sleep(0.3)
    session.type("busybox stty size\n")
    session.until("44 111")
    session.type("exit\n")
    assert session.ended() == 0


def test_the_programs_terminal_has_the_settings_of_ours(prepared: Sandbox) -> None:
    command = ["run", "-q", "--entrypoint", "/bin/busybox", "//app:image", "stty", "-a"]
    session = Session(prepared, command, around=True)
    session.until("before")
    settings = session.mode()
    settings[_LOCAL] &= ~termios.ECHOCTL  # type: ignore[operator]
    settings[_CHARACTERS][termios.VERASE] = b"\x07"  # type: ignore[index]
    session.set_mode(settings)
    session.type("\n")
    session.until("erase = ^G")
    session.until("-echoctl")
    session.until("status 0")
    session.type("\n")
    assert session.ended() == 0


@pytest.mark.parametrize(("script", "status"), [("read line; echo got $line", 0), ("kill -KILL $$", 137)])
def test_what_is_typed_is_not_lost_and_the_terminal_is_as_before(
    prepared: Sandbox, script: str, status: int
) -> None:
    command = ["ctr", "run", "-t", "c", "--", "sh", "-c", f"echo ready; {script}"]
    session = Session(prepared, command, around=True)
    session.until("before")
    before = session.mode()
    assert before[_LOCAL] & termios.ECHO
    session.type("\n")
    session.until("ready")
    if status == 0:
        # While the program has a terminal of its own, ours passes on every key as it is.
        assert not session.mode()[_LOCAL] & (termios.ECHO | termios.ICANON | termios.ISIG)
        session.type("hello\n")
        session.until("got hello")
    session.until(f"status {status}")
    assert session.mode() == before
    session.type("\n")
    assert session.ended() == 0

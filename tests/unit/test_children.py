"""Programs that are started end with the process that started them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from hermes import children
from tests.conftest import LASTING
from tests.processes import processes_of

STARTER = """
import sys
from hermes import children
with children.started(["sh", "-c", sys.argv[1]], terminal=sys.argv[2] == "terminal") as process:
    print("started", flush=True)
    process.wait()
"""


def wait_until_gone() -> list[str]:
    end = time.monotonic() + 10
    while (left := list(processes_of(LASTING))) and time.monotonic() < end:
        time.sleep(0.02)
    return left


@pytest.mark.parametrize(
    ("command", "terminal"),
    [("exec {}", "terminal"), ("exec {}", "none"), ("{0} & {0} & wait", "none")],
)
def test_a_program_ends_with_who_started_it(command: str, terminal: str) -> None:
    starter = [sys.executable, "-c", STARTER, command.format(LASTING), terminal]
    with subprocess.Popen(starter, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    assert wait_until_gone() == []


def test_a_program_that_still_runs_is_ended_with_what_it_started() -> None:
    with children.started(["sh", "-c", f"{LASTING} & echo on; wait"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
    process.stdout.close()
    assert process.returncode == -9
    assert wait_until_gone() == []


def test_a_program_is_given_its_input_and_returns_what_it_printed() -> None:
    done = children.run(["sh", "-c", "cat; echo no >&2; exit 3"], b"data")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"data", b"no\n")
    assert children.run(["cat"]).stdout == b""


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        children.run(LASTING.split(), timeout=0.2)
    assert wait_until_gone() == []


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        children.run(["no-such-program"])


@pytest.mark.parametrize("terminal", [False, True])
def test_a_program_has_a_session_of_its_own_unless_it_may_ask(terminal: bool) -> None:
    shown = [sys.executable, "-c", "import os; print(os.getsid(0))"]
    session = int(children.run(shown, terminal=terminal).stdout)
    assert (session == os.getsid(0)) == terminal

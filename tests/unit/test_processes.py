"""What tests look for when they say that nothing is left: it is seen, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import leftovers, processes_of


@contextmanager
def running(*arguments: str, **env: str) -> Iterator[int]:
    code = "import sys; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, *arguments]
    clean = {name: value for name, value in os.environ.items() if name != "HERMES_HOME"}
    with subprocess.Popen(
        command, env={**clean, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def test_a_process_is_seen_by_its_environment_and_by_its_command_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(HERMES_HOME=str(home)) as by_environment, running(f"--root={home}/x") as by_command:
        found = {int(one.partition(":")[0]) for one in leftovers(home)}
    assert found == {by_environment, by_command}
    assert leftovers(home) == []


def test_a_process_of_another_store_is_none_of_these(tmp_path: Path) -> None:
    with running(HERMES_HOME=str(tmp_path / "other")):
        assert leftovers(tmp_path / "home") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_process_is_seen_by_what_it_mounts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    script = "mount -t tmpfs none home; echo; read line"
    command = ["unshare", "--mount", "env", "-i", "sh", "-c", script]
    clean = {name: value for name, value in os.environ.items() if name != "HERMES_HOME"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=clean, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert [int(one.partition(":")[0]) for one in leftovers(home)] == [process.pid]
    assert leftovers(home) == []


def test_who_looks_and_who_started_it_are_not_seen() -> None:
    # The command line of all of them has the interpreter in it.
    found = {int(one.partition(":")[0]) for one in processes_of(sys.executable)}
    assert found.isdisjoint({os.getpid(), os.getppid()})

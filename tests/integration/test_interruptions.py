"""Builds that are killed, and builds beside each other."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hermes.sandbox.bubblewrap import find
from tests.chaos.kills import Chaos
from tests.conftest import LASTING, Sandbox
from tests.integration.conftest import add_base
from tests.processes import leftovers, processes_of
from tests.properties import ALL
from tests.registry.faulty import trickle
from tests.registry.servers import Web

BUILD = """
files_layer(name = "files", srcs = glob(["src/*"]), dest = "/srv")
[run_layer(
    name = "run%d" % number,
    base = ["//base:root", ":files"],
    cmd = "for f in /srv/src/*; do cat $f; done > /etc/all%d; sleep 0.05; mkdir -p /srv/o%d; cp -r /srv/src /srv/o%d" % (
        number, number, number,
    ),
) for number in range(4)]
image(
    name = "image",
    base = "//base:root",
    layers = [":files"] + [":run%d" % number for number in range(4)],
)
"""


def write_app(workspace: Sandbox) -> None:
    add_base(workspace)
    workspace.write("app/BUILD", BUILD)
    for number in range(30):
        workspace.write(f"app/src/{number}", os.urandom(20_000))


def start(workspace: Sandbox, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "hermes", "build", "-q", "--json", "//app:image"],
        cwd=workspace.root,
        env={**os.environ, "HERMES_HOME": str(workspace.home), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_output(workspace: Sandbox, process: subprocess.Popen[bytes]) -> None:
    """Wait until a command of a build has printed something."""
    deadline = time.monotonic() + 20
    while not any(path.stat().st_size for path in (workspace.home / "logs").glob("*")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.timeout(900)
def test_kills_leave_nothing_and_a_store_that_works(tmp_path: Path) -> None:
    """`make chaos` is the same with 1,000."""
    count = 50 if ALL else 12
    chaos = Chaos(tmp_path, seed=1)
    chaos.run(count)
    assert chaos.faults == []
    assert chaos.kills.total() == count


def test_eight_builds_on_one_store_agree(workspace: Sandbox) -> None:
    write_app(workspace)
    processes = [start(workspace) for _ in range(8)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, b"".join(
        errors for _, errors in said
    ).decode()
    assert len({output[output.index(b'"targets"') :] for output, _ in said}) == 1
    assert list((workspace.home / "tmp").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_ends_what_it_started(based: Sandbox, number: signal.Signals) -> None:
    based.write("app/BUILD", 'run_layer(name = "image", base = "//base:root", cmd = "echo on; sleep 271828")')
    process = start(based)
    wait_for_output(based, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert errors.decode().strip() == "interrupted"
    assert leftovers(based.home) == []
    assert list((based.home / "tmp").iterdir()) == []


@pytest.fixture
def straggling(tmp_path: Path) -> str:
    """A PATH whose bwrap has a child that no death of its parent ends, as the real one for a moment after clone(2)."""
    real, _ = find()
    wrapper = tmp_path / "bin" / "bwrap"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\n/usr/bin/setsid /bin/{LASTING} &\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    return f"{wrapper.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGTERM])
def test_what_no_parent_ends_ends_with_the_build(
    based: Sandbox, straggling: str, number: signal.Signals
) -> None:
    based.write("app/BUILD", f'run_layer(name = "image", base = "//base:root", cmd = "echo on; {LASTING}")')
    process = start(based, PATH=straggling)
    wait_for_output(based, process)
    assert len(list(processes_of(LASTING))) >= 2
    process.send_signal(number)
    process.communicate(timeout=20)
    deadline = time.monotonic() + 5
    while (left := leftovers(based.home) + list(processes_of(LASTING))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def test_what_a_killed_call_leaves_does_not_hold_up_a_build(based: Sandbox, straggling: str) -> None:
    """It has the pipe open that the command prints into."""
    based.write("app/BUILD", f'run_layer(name = "image", base = "//base:root", cmd = "echo on; {LASTING}")')
    process = start(based, PATH=straggling)
    wait_for_output(based, process)
    os.kill(call_of(process.pid), signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"ended without an answer (was it killed?)" in errors
    assert leftovers(based.home) + list(processes_of(LASTING)) == []


def call_of(build: int) -> int:
    """Return the process of a build that has started a sandbox."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                before, _, after = (entry / "stat").read_text().rpartition(") ")
                parents[int(entry.name)] = int(after.split()[1])
                names[int(entry.name)] = before.partition("(")[2]

    def above(pid: int) -> list[int]:
        return [pid, *above(parents[pid])] if parents.get(pid) else [pid]

    sandboxes = [pid for pid, name in names.items() if name == "bwrap" and build in above(pid)]
    (call,) = {parents[pid] for pid in sandboxes} - set(sandboxes)
    return call


def test_what_no_parent_ends_does_not_hold_up_a_build(based: Sandbox, straggling: str) -> None:
    based.write("app/BUILD", 'run_layer(name = "image", base = "//base:root", cmd = "echo on > /etc/on")')
    process = start(based, PATH=straggling)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert list(processes_of(LASTING)) == []


def test_a_program_in_unshare_ends_with_it(based: Sandbox) -> None:
    command = [sys.executable, "-m", "hermes", "unshare", "--", *LASTING.split()]
    with subprocess.Popen(command, env={**os.environ, "HERMES_HOME": str(based.home)}) as process:
        deadline = time.monotonic() + 20
        while not any(": sleep" in one for one in processes_of(LASTING)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    while (left := list(processes_of(LASTING))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


LOSING = """
import os, signal, sys, time, weakref
from hermes.cli import main

class Thing: pass

def work(*_, **__):
    thing = Thing()
    watched = weakref.ref(thing, lambda _: os.kill(os.getpid(), getattr(signal, sys.argv[1])))
    del thing
    time.sleep(30)

main.hermes.main = work
sys.exit(main.exit_status())
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_is_not_lost_where_python_forgets_exceptions(name: str) -> None:
    """As it may come in the callback of a weak reference, of which there are some while modules are loaded."""
    done = subprocess.run(
        [sys.executable, "-c", LOSING, name], capture_output=True, text=True, timeout=25, check=False
    )
    assert done.returncode == 128 + getattr(signal, name)
    assert done.stderr == "interrupted\n"


def test_a_killed_download_is_removed_by_the_next_command(based: Sandbox, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "HERMES_HOME": str(based.home), "TMPDIR": str(temporary)}
    name = based.run("ctr", "from", "scratch").stdout.strip()
    with Web(trickle(bytes(1000), 500)) as web:
        command = [sys.executable, "-m", "hermes", "ctr", "add", name, f"http://{web.host}/x", "/"]
        with subprocess.Popen(command, env=environment) as process:
            deadline = time.monotonic() + 20
            while not web.seen:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.kill()
    assert list(temporary.iterdir()) == []
    assert based.run("ctr", "ps").returncode == 0
    assert list((based.home / "tmp").iterdir()) == []


def test_a_killed_gc_leaves_no_half_of_a_layer(based: Sandbox) -> None:
    """What is extracted is there whole or not at all: nobody would notice that files of a base are missing."""
    count = 3000
    for number in range(count):
        based.write(f"app/src/{number}", "x")
    build = """
files_layer(name = "files", srcs = glob(["src/*"]), dest = "/srv")
run_layer(name = "count", base = ["//base:root", ":files"], cmd = "ls /srv/src | wc -l > /count; : %s")
"""
    based.write("app/BUILD", build % "once")
    expected = based.digest("//app:count")
    environment = {**os.environ, "HERMES_HOME": str(based.home)}
    command = [sys.executable, "-m", "hermes", "cache", "gc", "--max-size", "0"]
    trees = based.home / "trees"
    (folder,) = trees.glob("*/root/srv/src")
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                whole = len(os.listdir(folder)) == count
            except FileNotFoundError:
                whole = False
            if not whole:
                process.kill()
    based.write("app/BUILD", build % "again")
    assert based.digest("//app:count") == expected


def test_gc_gets_its_turn_between_builds_that_overlap(based: Sandbox) -> None:
    for name in ("app", "next"):
        based.write(
            f"{name}/BUILD",
            f'run_layer(name = "image", base = "//base:root", cmd = "echo on; sleep 2; : {name}")',
        )
    first = start(based)
    wait_for_output(based, first)
    environment = {**os.environ, "HERMES_HOME": str(based.home)}
    command = [sys.executable, "-m", "hermes", "cache", "gc"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as collecting:
        assert collecting.stderr is not None
        assert collecting.stderr.readline() == b"waiting for other commands to end\n"
        done = based.run("build", "//next:image")
        assert collecting.poll() == 0
    assert done.returncode == 0
    assert "waiting for `hermes cache gc`" in done.stderr
    first.communicate()

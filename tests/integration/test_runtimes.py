"""bubblewrap, crun and runc: whichever runs a command, what comes out is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hermes.errors import ActionError, BuildFailed, HermesError, SandboxError, UsageError, WorkspaceError
from hermes.sandbox import choice
from tests.conftest import LASTING, Sandbox
from tests.processes import leftovers

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

RUN = 'run_layer(name = "run", base = "//base:root", cmd = """{}""", {})\n'
CURIOUS = """
{ stat -c '%n %a %u %g %s %F %h' / /etc /srv /tmp /dev; stat -c '%n %a %F' /dev/* /dev/*/ /proc/[a-z]*
  env | sort; hostname; id; umask; pwd; ls /; ls /proc | grep -v '^[0-9]'; ls /sys; ls /proc/self/ns
  grep -E '^(Cap|NoNewPrivs|Seccomp|Groups|Umask)' /proc/self/status; cat /proc/self/limits; cut -d: -f1 /proc/net/dev
  echo x > /proc/sys/kernel/panic; mount -t tmpfs none /srv; } > /srv/seen 2>&1
mkdir -p /srv/a/b; echo x > /srv/a/f; ln /srv/a/f /srv/a/g; ln /bin/busybox /srv/h; chown 33:44 /srv/a
chmod 4755 /srv/a/f; mkfifo /srv/p; ln -s /x /srv/l; yes | head -n 1; rm /bin/yes; (sleep 9; : > /srv/late) &
"""


def _installed(name: str) -> bool:
    try:
        choice.located(name)
    except SandboxError:
        return False
    return True


RUNTIMES = pytest.mark.parametrize(
    "runtime",
    [
        pytest.param(name, marks=pytest.mark.skipif(not _installed(name), reason=f"{name} is not installed"))
        for name in choice.NAMES
    ],
)
OTHERS = [name for name in choice.NAMES if name != choice.BWRAP and _installed(name)]


def fresh(workspace: Sandbox, name: str) -> Sandbox:
    """The same workspace with another store, so that everything is built again."""
    return Sandbox(workspace.root, workspace.home.parent / f"home-{name}")


def failure(workspace: Sandbox, runtime: str, command: str, more: str = "") -> HermesError:
    workspace.write("run/BUILD", RUN.format(command, more))
    with pytest.raises(BuildFailed) as caught:
        workspace.build("//run", runtime=runtime)
    (error,) = caught.value.failures.values()
    return error


@pytest.mark.parametrize("more", ["", 'user = "7:8"', "network = True"])
def test_a_command_that_looks_around_gives_the_same_layer(based: Sandbox, more: str) -> None:
    command = (
        CURIOUS if "user" not in more else "id; ls -l /proc/self/ns /dev; env > /tmp/e; grep -v 7 /tmp/e"
    )
    based.write("run/BUILD", RUN.format(command, more))
    expected = based.digest("//run", runtime="bwrap")
    assert OTHERS, "no other runtime is installed"
    for name in OTHERS:
        assert fresh(based, name).digest("//run", runtime=name) == expected, name


def test_an_ordinary_user_gets_it_too(based: Sandbox, ordinary_user: OrdinaryUser) -> None:
    from tests.integration.conftest import add_base

    based.write("run/BUILD", RUN.format(CURIOUS, ""))
    expected = based.digest("//run")
    add_base(ordinary_user.workspace)
    ordinary_user.workspace.write("run/BUILD", RUN.format(CURIOUS, ""))
    for name in choice.NAMES:
        if _installed(name):
            env = {"HERMES_HOME": f"{ordinary_user.home}-{name}"}
            assert expected in ordinary_user.run("build", "--runtime", name, "//run", env=env).stdout, name


@RUNTIMES
def test_a_command_ends_as_it_ends_everywhere(based: Sandbox, runtime: str) -> None:
    assert "status 3" in failure(based, runtime, "exit 3").message
    assert "SIGTERM" in failure(based, runtime, "kill -TERM $$; sleep 5").message
    assert "SIGKILL" in failure(based, runtime, "kill -KILL $$; sleep 5").message
    error = failure(based, runtime, "echo out; echo err >&2; (sleep 2; echo late) & exit 1")
    assert isinstance(error, ActionError)
    assert error.tail == ("out", "err")


@RUNTIMES
def test_a_command_that_takes_too_long_is_ended_with_all_its_children(based: Sandbox, runtime: str) -> None:
    error = failure(based, runtime, f"trap : TERM INT; {LASTING} & {LASTING}", "timeout = 1")
    assert "timeout of 1 second" in error.message
    assert LASTING not in processes()
    assert_nothing_is_left(based)


def processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def assert_nothing_is_left(workspace: Sandbox) -> None:
    assert not list((workspace.home / "tmp").glob("*/*"))
    for folder in ("/run/crun", "/run/runc"):
        assert not (os.path.isdir(folder) and "hermes" in os.listdir(folder))
    found = subprocess.run(
        ["find", "/sys/fs/cgroup", "-name", "*hermes*"], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""


@RUNTIMES
def test_a_killed_build_takes_its_containers_along(based: Sandbox, runtime: str) -> None:
    based.write("run/BUILD", RUN.format("sleep 1618; true", ""))
    build = subprocess.Popen(
        [sys.executable, "-m", "hermes", "build", "--runtime", runtime, "//run"],
        cwd=based.root,
        env={**os.environ, "HERMES_HOME": str(based.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: "sleep 1618" in processes().splitlines())
    build.send_signal(signal.SIGKILL)
    build.wait()
    wait_until(lambda: not leftovers(based.home))
    based.write("run/BUILD", RUN.format("true", ""))
    based.build("//run", runtime=runtime)
    assert_nothing_is_left(based)


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@RUNTIMES
def test_a_script_without_an_interpreter_line_is_run_by_the_shell(based: Sandbox, runtime: str) -> None:
    based.write("run/script", "echo ran $1 > /srv/out\n", mode=0o755)
    based.write(
        "run/BUILD",
        'files_layer(name = "s", files = {"/bin/script": "script"})\n'
        'run_layer(name = "run", base = ["//base:root", ":s"], argv = ["script", "it"])',
    )
    based.build("//run", runtime=runtime)


def test_the_runtime_is_in_no_key(based: Sandbox) -> None:
    based.write("run/BUILD", RUN.format("echo x > /srv/x", ""))
    assert based.build("//run").executed
    for name in choice.NAMES:
        assert not based.build("//run", runtime=name).executed


def test_the_workspace_may_choose(based: Sandbox) -> None:
    if "crun" not in OTHERS:
        pytest.skip("crun is not installed")
    based.write("hermes.yaml", "runtime: crun\n")
    command = "cat /proc/1/cmdline > /srv/one; grep -q '^bwrap' /srv/one && exit 9; rm /srv/one"
    based.write("run/BUILD", RUN.format(command, ""))
    based.build("//run")


def test_a_runtime_that_is_none_is_named(based: Sandbox) -> None:
    with pytest.raises(UsageError, match=r"(?s)'crum' is not a runtime.*did you mean 'crun'"):
        based.build("//base:root", runtime="crum")
    based.write("hermes.yaml", "runtime: dockr\n")
    with pytest.raises(WorkspaceError, match=r"hermes.yaml: runtime: 'dockr' is not a runtime"):
        based.build("//base:root")


def test_a_runtime_that_does_not_work_says_why(
    based: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin/crun"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\necho \'{"msg": "no container today"}\' > "${2#--log=}"; exit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    error = failure(based, "crun", "true")
    assert "crun could not start the command: no container today" in error.message
    assert "--runtime bwrap" in (error.hint or "")


def test_the_doctor_tries_every_runtime(based: Sandbox) -> None:
    said = based.run("doctor").stdout
    for name in ("bubblewrap", *OTHERS):
        assert f"{name} " in said
        assert any(line.startswith(name) and " ok " in line for line in said.splitlines()), said

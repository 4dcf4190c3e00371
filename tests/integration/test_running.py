"""What ``hermes run`` can be told, by every runtime."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hermes.api.run_options import RunOptions, variable, volume
from hermes.errors import UsageError
from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.integration.test_runtimes import RUNTIMES, processes, wait_until

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

BUILD = """
image(name = "image", base = "//base:root", cmd = ["sh"], env = {"A": "1"}, workdir = "/srv")
image(name = "user", base = "//base:root", cmd = ["id", "-u"], user = "5")
"""


@pytest.fixture
def images(based: Sandbox) -> Sandbox:
    based.write("BUILD", BUILD)
    return based


def run(workspace: Sandbox, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = workspace.run("run", "-q", *arguments)
    assert done.returncode == 0 or not check, done.stderr
    return done


@RUNTIMES
def test_what_options_say_is_what_the_program_sees(images: Sandbox, runtime: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "in").write_text("in\n")
    script = "id -u; id -g; hostname; pwd; echo $A $B; cat /data/in; echo out > /data/out; echo no > /ro/in || echo ro"
    options = ["--user", "7:8", "--hostname", "other", "--workdir", "/etc", "-e", "B=2", "-e", "A"]
    options += ["-v", f"{folder}:/data", "-v", f"{folder}:/ro:ro", "--runtime", runtime]
    done = images.run("run", "-q", *options, "//:image", "--", "sh", "-c", script, env={"A": "mine"})
    assert done.stdout == "7\n8\nother\n/etc\nmine 2\nin\nro\n", done.stderr
    assert (folder / "out").read_text() == "out\n"


def test_options_end_at_the_image_as_with_docker(images: Sandbox, tmp_path: Path) -> None:
    said = run(images, "//:image", "sh", "-c", 'echo "$@"', "sh", "-v", f"{tmp_path}:/x", "--rw", "-q").stdout
    assert said == f"-v {tmp_path}:/x --rw -q\n"
    assert run(images, "//:image", "echo", "-v").stdout == "-v\n"
    assert run(images, "--", "//:image", "echo", "--", "-v").stdout == "-- -v\n"


@RUNTIMES
def test_mounts_and_files_of_variables_are_those_of_docker(
    images: Sandbox, runtime: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("in\n")
    (tmp_path / "env").write_text("# a comment\nF=of the file\nG=g # kept\nOUTER\nABSENT\nE=lost\n")
    script = 'cat /data/in; touch /data/x || echo ro; echo t > /scratch/t && cat /scratch/t; echo "$E|$F|$G|$OUTER"'
    options = ["--mount", f"type=bind,src={tmp_path},dst=/data,ro", "--tmpfs", "/scratch:size=1m"]
    options += ["--env-file", str(tmp_path / "env"), "-e", "E=e", "--runtime", runtime]
    done = images.run("run", "-q", "--rm", *options, "//:image", "sh", "-c", script, env={"OUTER": "o"})
    assert done.stdout == "in\nro\nt\ne|of the file|g # kept|o\n", done.stderr


def test_what_is_so_anyway_may_be_said(images: Sandbox) -> None:
    options = ["--rm", "-it", "--init", "--read-only", "--name", "web"]
    assert run(images, *options, "//:image", "echo", "x").stdout == "x\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--env-file", "nothing"], "--env-file nothing: No such file or directory"),
        (["--env-file", "odd"], "--env-file odd: line 2: expected NAME=VALUE or NAME, got 'a b=c'"),
        (["--mount", "type=cache,dst=/x"], "a program has no cache or secret of a build"),
        (["--mount", "type=bind,src=nothing,dst=/x"], "does not exist"),
        (["--tmpfs", "x"], "--tmpfs x: "),
    ],
)
def test_wrong_mounts_and_files_of_variables(images: Sandbox, options: list[str], message: str) -> None:
    images.write("odd", "A=1\na b=c\n")
    done = run(images, *options, "//:image", "true", check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_one_pair_of_dashes_may_stand_before_the_arguments(images: Sandbox) -> None:
    assert run(images, "//:image", "--", "echo", "--", "x").stdout == "-- x\n"


@RUNTIMES
def test_a_writable_root_is_thrown_away(images: Sandbox, runtime: str) -> None:
    options = ["--runtime", runtime, "//:image", "--", "sh", "-c"]
    assert run(images, "--rw", *options, "echo x > /etc/x; cat /etc/x").stdout == "x\n"
    assert run(images, *options, "ls /etc; echo x > /etc/x", check=False).returncode == 1


@RUNTIMES
def test_a_program_of_this_machine_can_be_mounted_and_run(images: Sandbox, runtime: str) -> None:
    images.write("tool", "#!/bin/sh\necho ran $1\n", mode=0o755)
    done = run(
        images,
        "--runtime",
        runtime,
        "-v",
        f"{images.root}/tool:/x/tool:ro",
        "//:image",
        "--",
        "/x/tool",
        "it",
    )
    assert done.stdout == "ran it\n"


@RUNTIMES
def test_the_exit_status_is_the_programs(images: Sandbox, runtime: str) -> None:
    for command, status in (("exit 3", 3), ("kill -KILL $$", 137), ("yes | head -n 1 >&2", 0)):
        done = run(images, "--runtime", runtime, "//:image", "--", "sh", "-c", command, check=False)
        assert done.returncode == status


def without_emulators(folder: Path) -> str:
    """Return a folder for PATH with the programs that Hermes may start."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("newuidmap", "newgidmap", "crun", "runc"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    return str(tools)


@RUNTIMES
def test_a_program_that_cannot_be_started_is_told_from_one_that_fails(
    images: Sandbox, tmp_path: Path, runtime: str
) -> None:
    images.write("script", "#!/none\n", mode=0o755)
    images.write("text", "x\n")
    other = 183 if os.uname().machine != "aarch64" else 62
    foreign = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, other, 1) + bytes(100)
    images.write("foreign", foreign, mode=0o755)
    images.write(
        "BUILD",
        'files_layer(name = "files", files = {"/x/script": "script", "/x/text": "text", "/x/foreign": "foreign"})\n'
        'image(name = "image", base = "//base:root", layers = [":files"], env = {"PATH": "/x:/bin"})\n',
    )
    assert images.run("ctr", "from", "--name", "c", "//:image").returncode == 0
    env = {"PATH": without_emulators(tmp_path)}
    for program, status, said in (
        ("none", 127, "there is no program 'none'"),
        ("/x/none", 127, "there is no program '/x/none'"),
        ("script", 126, "/x/script: its interpreter /none is not in the root file system"),
        ("foreign", 126, f"/x/foreign is for {'arm64' if other == 183 else 'amd64'}, and this machine is "),
        ("text", 126, "/x/text cannot be executed"),
        ("/x", 126, "/x is a directory"),
    ):
        for command in (["run", "-q", "//:image"], ["ctr", "run", "c"]):
            command[-1:-1] = ["--runtime", runtime]
            done = images.run(*command, "--", program, env=env, errors="replace")
            assert (done.returncode, done.stdout) == (status, ""), (command, program, done.stderr)
            assert said in done.stderr
    assert images.run("ctr", "rm", "c").returncode == 0


CLEANS_UP = 'trap "sleep 0.3; echo cleaned up; exit 9" INT TERM USR1; echo ready; while :; do sleep 0.1; done'


def started(workspace: Sandbox, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start a command line whose program says when it is ready, and wait for that."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes", *arguments],
        cwd=workspace.root,
        env={**os.environ, "HERMES_HOME": str(workspace.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@RUNTIMES
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("user", ["0", "5:6"])
def test_a_program_that_gets_a_signal_cleans_up(
    images: Sandbox, runtime: str, number: signal.Signals, user: str
) -> None:
    process = started(
        images, "run", "-q", "--runtime", runtime, "--user", user, "//:image", "--", "sh", "-c", CLEANS_UP
    )
    process.send_signal(number)
    assert process.communicate(timeout=20) == ("cleaned up\n", "")
    assert process.returncode == 9


@RUNTIMES
def test_a_program_of_an_ordinary_user_that_gets_a_signal_cleans_up(
    ordinary_user: OrdinaryUser, runtime: str
) -> None:
    add_base(ordinary_user.workspace)
    ordinary_user.workspace.write("BUILD", BUILD)
    ordinary_user.run("build", "-q", "//:image")
    arguments = ["run", "-q", "--runtime", runtime, "//:image", "--", "sh", "-c", CLEANS_UP]
    if runtime != "runc":  # which knows no other users here; see the documentation
        arguments[1:1] = ["--user", "5:6"]
    name = ordinary_user.name
    process = started(ordinary_user.workspace, *arguments, user=name, group=name, extra_groups=[])
    process.terminate()
    assert process.communicate(timeout=20) == ("cleaned up\n", "")
    assert process.returncode == 9


@RUNTIMES
def test_a_command_in_a_container_that_gets_a_signal_cleans_up(images: Sandbox, runtime: str) -> None:
    assert images.run("ctr", "from", "--name", "c", "//:image").returncode == 0
    script = CLEANS_UP.replace("echo cleaned up", "echo cleaned up > /srv/x")
    process = started(images, "ctr", "run", "--runtime", runtime, "c", "--", "sh", "-c", script)
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 9
    assert images.run("ctr", "run", "c", "--", "cat", "/srv/x").stdout == "cleaned up\n"
    assert images.run("ctr", "rm", "c").returncode == 0


@RUNTIMES
def test_a_signal_that_a_program_does_not_know_ends_it(images: Sandbox, runtime: str) -> None:
    process = started(
        images, "run", "-q", "--runtime", runtime, "//:image", "--", "sh", "-c", "echo ready; sleep 20"
    )
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 129


@RUNTIMES
def test_a_program_that_does_not_end_is_ended_by_the_third_interrupt(images: Sandbox, runtime: str) -> None:
    script = "trap 'echo no >&2' INT TERM; echo ready; sleep 3141 & while :; do wait; done"
    process = started(images, "run", "-q", "--runtime", runtime, "//:image", "--", "sh", "-c", script)
    for _ in range(3):
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.split()) == (130, ["no", "no", "interrupted"])
    wait_until(lambda: "sleep 3141" not in processes().splitlines())


def test_a_volume_must_be_there(tmp_path: Path) -> None:
    assert not volume(f"{tmp_path}:/x:ro").writable
    assert volume(f"{tmp_path}:/x/../y/").target == "/y"
    for text, reason in (
        (f"{tmp_path}/none:/x", "does not exist"),
        (str(tmp_path), "expected HOST:CONTAINER"),
        (f"{tmp_path}:/x:Z", "unknown option 'Z'"),
        (f"{tmp_path}:x", "expected an absolute path other than /"),
        (f"{tmp_path}:/", "expected an absolute path other than /"),
    ):
        with pytest.raises(UsageError, match=reason):
            volume(text)


def test_a_variable_without_a_value_must_be_set() -> None:
    assert variable("A=", {}) == ("A", "")
    assert variable("A", {"A": "=b"}) == ("A", "=b")
    for text in ("A", "=x"):
        with pytest.raises(UsageError):
            variable(text, {})


def test_what_cannot_be_is_said_before_anything_is_run() -> None:
    for wrong in ({"network": "bridge"}, {"workdir": "x"}, {"hostname": "-"}, {"capabilities": ("CAP_X",)}):
        with pytest.raises(UsageError):
            RunOptions(**wrong)


def test_only_root_has_capabilities(images: Sandbox) -> None:
    done = run(images, "--cap-add", "NET_RAW", "//:user", check=False)
    assert (done.returncode, "only root in a container has capabilities" in done.stderr) == (2, True)
    assert run(images, "--cap-add", "NET_RAW", "--user", "0", "//:user").stdout == "0\n"


@RUNTIMES
def test_nobody_on_the_machine_sees_the_environment(images: Sandbox, runtime: str) -> None:
    images.build("//:image")
    options = ["-q", "--runtime", runtime, "-e", "TOKEN", "//:image"]
    program = subprocess.Popen(
        [sys.executable, "-m", "hermes", "run", *options, "--", "sh", "-c", "echo $TOKEN; exec sleep 1732"],
        cwd=images.root,
        env={**os.environ, "HERMES_HOME": str(images.home), "TOKEN": "not-for-everybody"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    with program:
        assert program.stdout.readline() == "not-for-everybody\n"
        wait_until(lambda: "sleep 1732" in processes().splitlines())
        assert "not-for-everybody" not in processes()
        program.kill()
    wait_until(lambda: "sleep 1732" not in processes().splitlines())

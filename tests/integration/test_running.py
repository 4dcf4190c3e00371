"""What ``hermes run`` can be told, by every runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hermes.api.run_options import RunOptions, port_note, variable, volume
from hermes.errors import UsageError
from tests.conftest import Sandbox
from tests.integration.test_runtimes import RUNTIMES, processes, wait_until

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


def test_a_volume_must_be_there(tmp_path: Path) -> None:
    assert not volume(f"{tmp_path}:/x:ro").writable
    assert volume(f"{tmp_path}:/x/../y/").target == "/y"
    for text, reason in (
        (f"{tmp_path}/none:/x", "does not exist"),
        (str(tmp_path), "no HOST:CONTAINER"),
        (f"{tmp_path}:/x:Z", "there is no option 'Z'"),
        (f"{tmp_path}:x", "no absolute path"),
        (f"{tmp_path}:/", "no absolute path"),
    ):
        with pytest.raises(UsageError, match=reason):
            volume(text)


def test_a_variable_without_a_value_must_be_set() -> None:
    assert variable("A=", {}) == ("A", "")
    assert variable("A", {"A": "=b"}) == ("A", "=b")
    for text in ("A", "=x"):
        with pytest.raises(UsageError):
            variable(text, {})


def test_a_port_means_something_only_with_the_machines_network() -> None:
    assert "changes nothing" in port_note("8080:8080", "host")
    for text, network in (("80", "none"), ("80:81", "host"), ("0", "host"), ("x", "host"), ("65536", "host")):
        with pytest.raises(UsageError):
            port_note(text, network)


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

"""``hermes run --profile server``: what programs of that kind may do, and Debian's nginx with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hermes.sandbox.capabilities import NAMES
from hermes.sandbox.process import SERVER_CAPABILITIES
from tests.conftest import Sandbox
from tests.integration.network_place import CONNECTED, answer_of, running, unused
from tests.integration.test_runtimes import RUNTIMES

BUILD = """
run_layer(
    name = "made",
    base = "//base:root",
    cmd = "mkdir -p /run/db /var/log/db /data/in /srv/own && chown 5:6 /run/db /var/log/db /data && echo kept > /data/in/f",
)
image(name = "db", base = ":made", volumes = ["/data", "/new"], cmd = ["sh"])
"""

NGINX = """
load("@hermes//rules:debian.bzl", "apt_layer")

apt_layer(
    name = "debian",
    lock = "debian.lock.yaml",
    packages = ["nginx", "base-files", "base-passwd", "dash", "coreutils", "libc-bin"],
)
files_layer(
    name = "configured",
    files = {"/etc/passwd": "passwd", "/etc/group": "group", "/var/www/html/index.html": "page"},
    symlinks = {"/etc/nginx/sites-enabled/default": "../sites-available/default"},
)
image(
    name = "nginx",
    base = ":debian",
    layers = [":configured"],
    entrypoint = ["/usr/sbin/nginx", "-g", "daemon off;"],
    ports = ["80/tcp"],
)
"""


def said(workspace: Sandbox, *arguments: str) -> str:
    done = workspace.run("run", "-q", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def capabilities(workspace: Sandbox, *options: str) -> set[str]:
    """The names of the effective capabilities of root."""
    status = said(workspace, *options, "//:db", "sh", "-c", "cat /proc/self/status")
    (line,) = [line for line in status.splitlines() if line.startswith("CapEff")]
    number = int(line.split()[1], 16)
    listed = Path("/usr/include/linux/capability.h")
    if not listed.exists():
        pytest.skip("linux/capability.h is not installed")
    numbers = {}
    for one in listed.read_text().splitlines():
        words = one.split()
        if len(words) == 3 and words[0] == "#define" and words[1] in NAMES and words[2].isdigit():
            numbers[words[1]] = int(words[2])
    return {name for name, bit in numbers.items() if number >> bit & 1}


@RUNTIMES
def test_a_server_writes_to_what_varies_and_to_its_volumes_and_nowhere_else(
    based: Sandbox, runtime: str
) -> None:
    based.write("BUILD", BUILD)
    script = (
        "for one in /run /run/db /var /var/log/db /var/new /tmp /data /data/in /new / /etc /srv /srv/own /bin; do "
        "mkdir -p $one 2> /dev/null; touch $one/x 2> /dev/null && echo -n $one ' '; done; "
        "cat /data/in/f; stat -c %u:%g /run/db /var/log/db /data"
    )
    options = ["--runtime", runtime, "--profile", "server"]
    found = said(based, *options, "//:db", "sh", "-c", script)
    assert found == (
        "/run  /run/db  /var  /var/log/db  /var/new  /tmp  /data  /data/in  /new  kept\n5:6\n5:6\n5:6\n"
    )
    # Nothing of it is kept.
    assert said(based, *options, "//:db", "sh", "-c", "ls /run /var /data /new; ls /var/log/db") == (
        "/data:\nin\n\n/new:\n\n/run:\ndb\n\n/var:\nlog\n"
    )
    strict = said(
        based,
        "--runtime",
        runtime,
        "//:db",
        "sh",
        "-c",
        script.replace("; cat", "; : ").replace("; stat", "; :"),
    )
    assert strict.split() == ["/run", "/run/db", "/tmp"]


def test_a_server_can_have_something_mounted_in_what_it_writes_to(based: Sandbox, tmp_path: Path) -> None:
    based.write("BUILD", BUILD)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/index").write_text("page\n")
    options = ["--profile", "server", "-v", f"{tmp_path}/pages:/var/www", "-v", f"{tmp_path}/pages:/data:ro"]
    assert (
        said(based, *options, "//:db", "sh", "-c", "cat /var/www/index /data/index; touch /var/www/made")
        == "page\npage\n"
    )
    assert (tmp_path / "pages/made").exists()


def test_root_of_a_server_has_the_capabilities_of_docker(based: Sandbox) -> None:
    based.write("BUILD", BUILD)
    assert capabilities(based) == set()
    assert capabilities(based, "--profile", "server") == set(SERVER_CAPABILITIES)
    dropped = capabilities(based, "--profile", "server", "--cap-drop", "all", "--cap-add", "chown,Cap_Kill")
    assert dropped == {"CAP_CHOWN", "CAP_KILL"}
    user = said(based, "--profile", "server", "--user", "5", "//:db", "sh", "-c", "cat /proc/self/status")
    assert "CapEff:\t0000000000000000" in user


@pytest.mark.parametrize("text", ["all", "ALL", "All"])
def test_all_capabilities_can_be_given(based: Sandbox, text: str) -> None:
    based.write("BUILD", BUILD)
    assert capabilities(based, "--cap-add", text) == set(NAMES)


@CONNECTED
@pytest.mark.network
def test_nginx_of_debian_serves_with_a_read_only_root(workspace: Sandbox) -> None:
    workspace.write("BUILD", NGINX)
    for name in ("passwd", "group"):
        workspace.write(name, Path(f"/usr/share/base-passwd/{name}.master").read_bytes())
    workspace.write("page", "it serves\n")
    done = workspace.run("lock")
    assert done.returncode == 0, done.stderr
    done = workspace.run("run", "-q", "//:nginx")
    assert (done.returncode, "Read-only file system" in done.stderr) == (1, True)
    assert "hint: its root is read-only and it has no capabilities; --profile server" in done.stderr
    port = unused()
    with running(workspace, "-q", "--profile", "server", "-p", f"{port}:80", "//:nginx") as process:
        answer = answer_of("127.0.0.1", port, "/")
        assert ("Server: nginx" in answer, answer.endswith("it serves\n")) == (True, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_on_a_terminal_the_option_that_helps_is_said(based: Sandbox) -> None:
    based.write("BUILD", BUILD)
    based.build("//:db")
    ours, theirs = os.openpty()
    environment = {**os.environ, "HERMES_HOME": str(based.home)}
    command = [sys.executable, "-m", "hermes", "run", "-q", "//:db", "sh", "-c", "echo x > /srv/x"]
    process = subprocess.Popen(
        command, cwd=based.root, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:  # nobody has the other end any more
        pass
    finally:
        os.close(ours)
    assert process.wait(20) == 1
    assert b"Read-only file system" in shown
    assert b"hint: its root is read-only: --profile server" in shown

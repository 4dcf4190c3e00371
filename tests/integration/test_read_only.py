"""A workspace or store on a read-only file system: what needs no writing works, and the rest is one clear error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a folder read-only")


@pytest.fixture
def built(based: Sandbox) -> Sandbox:
    based.write(
        "BUILD",
        'run_layer(name = "layer", base = "//base:root", cmd = "echo hi > /srv/x")\n'
        'image(name = "image", layers = ["//base:root", ":layer"], cmd = ["/bin/cat", "/srv/x"])\n',
    )
    assert based.run("build", "-q", "//:image", "-o", "oci:layout").returncode == 0
    assert based.run("pull", "-q", "oci:layout", "image").returncode == 0
    assert based.run("run", "-q", "image").stdout == "hi\n"
    return based


def read_only(folder: Path, sandbox: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Hermes where ``folder`` is read-only."""
    mounted = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$1" && shift && exec "$@"'
    return subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            mounted,
            str(folder),
            str(sandbox.root),
            sys.executable,
            "-m",
            "hermes",
            *arguments,
        ],
        env={**os.environ, "HERMES_HOME": str(sandbox.home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_read_only_workspace_is_run_and_exported(built: Sandbox, tmp_path: Path) -> None:
    shutil.rmtree(built.root / "hermes-out")
    done = read_only(built.root, built, "run", "//:image")
    assert (done.returncode, done.stdout) == (0, "hi\n"), done.stderr
    assert "hermes-out cannot be written" in done.stderr
    done = read_only(built.root, built, "build", "-q", "//:image", "-o", f"oci:{tmp_path}/elsewhere")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere/index.json").exists()
    done = read_only(built.root, built, "build", "//:image")
    assert (done.returncode, done.stderr.count("error:")) == (1, 1)
    assert "hermes-out cannot be written: Read-only file system" in done.stderr
    assert built.run("build", "-q", "//:image").returncode == 0
    assert (built.root / "hermes-out/image/index.json").exists()


@pytest.mark.parametrize(
    "command",
    ["query //...", "images", "inspect image", "inspect --files image", "cache info", "run image", "run //:image", "ctr ps",
     "explain //:image"],
)  # fmt: skip
def test_what_needs_no_writing_works_with_a_read_only_store(built: Sandbox, command: str) -> None:
    done = read_only(built.home, built, *command.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout == built.run(*command.split()).stdout != ""


@pytest.mark.parametrize(
    "command",
    ["pull oci:layout x", "tag image x", "build -q //base:root", "cache gc", "ctr from image"],
)
def test_what_needs_a_writable_store_says_so(built: Sandbox, command: str) -> None:
    built.write("base/busybox", "another")
    done = read_only(built.home, built, *command.split())
    assert done.returncode == 1
    assert (done.stderr.count("error: "), done.stderr.count("no permission to write")) == (1, 1), done.stderr
    assert "Traceback" not in done.stderr

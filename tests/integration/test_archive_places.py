"""Archives are written where a path leads, and come from there: pipes, devices, links, standard output and input."""

from __future__ import annotations

import json
import os
import pty
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hermes.errors import BuildError
from hermes.transports.archive import written_archive
from tests.integration.yard import Yard

TRANSPORTS = ["docker-archive", "oci-archive"]


@pytest.fixture
def digest(yard: Yard) -> str:
    return yard.bud("FROM base\nENV A=1\n", tags=["it"]).digest


def copy(yard: Yard, destination: str, status: int = 0) -> str:
    done = yard.run("copy", "-q", "it", destination)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return str(done.stderr)


def with_output(yard: Yard, *arguments: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command line with standard output and input as bytes."""
    environment = {**os.environ, "HERMES_HOME": str(yard.sandbox.home)}
    command = [sys.executable, "-m", "hermes", *arguments]
    return subprocess.run(
        command, cwd=yard.root, env=environment, capture_output=True, input=data, check=False
    )


def written(yard: Yard, transport: str) -> bytes:
    """What is written to a file of no interest."""
    path = yard.root.parent / "plain.tar"
    copy(yard, f"{transport}:{path}")
    return path.read_bytes()


@pytest.mark.usefixtures("digest")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_fifo_gets_the_bytes_that_a_file_gets(yard: Yard, tmp_path: Path, transport: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    copy(yard, f"{transport}:{fifo}")
    reader.join(60)
    assert got == [written(yard, transport)]
    assert stat.S_ISFIFO(fifo.lstat().st_mode)
    assert os.listdir(tmp_path / "context") == ["Dockerfile"]


@pytest.mark.usefixtures("digest")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_device_is_written_to(yard: Yard, tmp_path: Path, transport: str) -> None:
    """A terminal of our own: as root, nothing of the machine's."""
    (tmp_path / "device").symlink_to("/dev/null")
    copy(yard, f"{transport}:{tmp_path}/device")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert (tmp_path / "device").readlink() == Path("/dev/null")
    (tmp_path / "full").symlink_to("/dev/full")
    assert "full cannot be written: No space left on device" in copy(yard, f"{transport}:{tmp_path}/full", 1)


@pytest.mark.usefixtures("digest")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_link_stays_and_what_it_leads_to_is_written(yard: Yard, tmp_path: Path, transport: str) -> None:
    (tmp_path / "far").mkdir()
    for name, there in (("whole.tar", True), ("dangling.tar", False)):
        target = tmp_path / "far" / name
        if there:
            target.write_bytes(b"what was there")
        (tmp_path / f"second-{name}").symlink_to(f"far/{name}")
        (tmp_path / name).symlink_to(tmp_path / f"second-{name}")
        copy(yard, f"{transport}:{tmp_path / name}")
        assert (tmp_path / name).is_symlink()
        assert not target.is_symlink()
        assert target.read_bytes() == written(yard, transport)
    assert sorted(os.listdir(tmp_path / "far")) == ["dangling.tar", "whole.tar"]
    (tmp_path / "circle").symlink_to("circle")
    assert "too many symbolic links" in copy(yard, f"{transport}:{tmp_path}/circle", 1)


@pytest.mark.parametrize("command", ["copy", "bud", "commit", "build"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_standard_output_has_the_archive_and_nothing_else(
    yard: Yard, digest: str, transport: str, command: str
) -> None:
    target = f"{transport}:-"
    if command == "bud":
        done = with_output(yard, "bud", "-o", target, ".")
    elif command == "commit":
        yard.run("ctr", "from", "--name", "c", "it")
        done = with_output(yard, "ctr", "commit", "--rm", "c", target)
    elif command == "build":
        yard.root.joinpath("hermes.yaml").touch()
        yard.write("BUILD", 'image(name = "image", env = {"A": "1"})\n')
        done = with_output(yard, "build", "//:image", "-o", target)
    else:
        done = with_output(yard, "copy", "it", target)
    assert done.returncode == 0, done.stderr
    assert b"sha256:" in done.stderr
    (yard.root / "got.tar").write_bytes(done.stdout)
    assert len(done.stdout) % 10240 == 0
    subprocess.run(["tar", "-tf", yard.root / "got.tar"], check=True, capture_output=True)
    if shutil.which("skopeo"):
        seen = subprocess.run(
            ["skopeo", "inspect", "--config", f"{transport}:{yard.root}/got.tar"],
            check=True,
            capture_output=True,
        )
        assert "A=1" in json.loads(seen.stdout)["config"]["Env"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_standard_input_is_read(yard: Yard, digest: str, transport: str) -> None:
    archive = with_output(yard, "copy", "it", f"{transport}:-").stdout
    done = with_output(yard, "pull", f"{transport}:-", "back", data=archive)
    assert done.returncode == 0, done.stderr
    if transport == "oci-archive":
        assert digest.encode() in done.stdout
    again = with_output(yard, "copy", f"{transport}:-", f"{transport}:-", data=archive)
    assert again.stdout == archive
    cut = with_output(yard, "pull", f"{transport}:-", "cut", data=archive[: len(archive) // 2])
    assert cut.returncode
    assert b"Traceback" not in cut.stderr
    assert b"cut:latest" not in with_output(yard, "images").stdout


@pytest.mark.usefixtures("digest")
def test_a_terminal_gets_no_archive(yard: Yard) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "HERMES_HOME": str(yard.sandbox.home)}
    command = [sys.executable, "-m", "hermes", "copy", "-q", "it", "docker-archive:-"]
    done = subprocess.run(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 1
    assert b"standard output is a terminal" in done.stderr
    command[-2:] = ["docker-archive:-", "docker-archive:x.tar"]
    done = subprocess.run(command, env=environment, stdin=theirs, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"standard input is a terminal" in done.stderr
    os.close(ours)
    os.close(theirs)


def write_half(path: Path) -> None:
    with written_archive(path) as archive:
        archive.file("a", b"x" * 100_000)
        raise BuildError("broken")


def test_a_half_written_archive_takes_no_place(tmp_path: Path) -> None:
    (tmp_path / "whole.tar").write_bytes(b"whole")
    (tmp_path / "link").symlink_to("whole.tar")
    for name in ("whole.tar", "link"):
        with pytest.raises(BuildError, match="broken"):
            write_half(tmp_path / name)
        assert (tmp_path / "whole.tar").read_bytes() == b"whole"
        assert sorted(os.listdir(tmp_path)) == ["link", "whole.tar"]


@pytest.mark.usefixtures("digest")
def test_an_image_of_the_form_dir_is_written_through_a_link(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    for _ in range(2):
        copy(yard, f"dir:{tmp_path}/link")
        assert (tmp_path / "link").readlink() == Path("far")
        assert (tmp_path / "far/manifest.json").is_file()

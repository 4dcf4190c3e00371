"""Other tools read, load and run what Hermes makes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import add_base

BUILD = """
files_layer(name = "hello", files = {"/hello.txt": "hello.txt"}, owner = "7:8", modes = {})
run_layer(
    name = "changed",
    base = ["//base:root", ":hello"],
    cmd = "rm /bin/yes; rm -r /srv; mkdir /srv; echo made > /srv/made; ln /srv/made /srv/link; chmod 600 /srv/made",
)
[image(
    name = compression,
    base = "//base:root",
    layers = [":hello", ":changed"],
    compression = compression,
    entrypoint = ["/bin/sh", "-c", "cat /hello.txt /srv/link; ls /bin/yes 2>/dev/null; id -u; echo $WORD"],
    env = {"WORD": "of honour"},
    labels = {"title": "interop"},
    user = "7:8" if compression == "none" else "0:0",
    workdir = "/srv",
) for compression in ["zstd", "gzip"]]
"""
SAYS = "hello\nmade\n0\nof honour\n"


@pytest.fixture
def built(workspace: Sandbox) -> Sandbox:
    add_base(workspace)
    workspace.write("app/BUILD", BUILD)
    workspace.write("app/hello.txt", "hello\n")
    workspace.build("//app/...")
    return workspace


def tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def output_of(*command: str, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
@pytest.mark.parametrize(
    "transport", ["oci:out:v1", "oci-archive:out.tar:v1", "docker-archive:out.tar", "dir:out"]
)
def test_skopeo_reads_every_transport(built: Sandbox, compression: str, transport: str) -> None:
    skopeo = tool("skopeo")
    done = built.run("build", "-q", f"//app:{compression}", "-o", transport)
    assert done.returncode == 0, done.stderr
    config = json.loads(output_of(skopeo, "inspect", "--config", transport, cwd=built.root))
    assert config["config"]["Env"] == ["WORD=of honour"]
    assert config["created"] == "1970-01-01T00:00:00Z"
    copied = f"dir:{built.root}/copied"
    output_of(skopeo, "copy", "--insecure-policy", "-q", transport, copied, cwd=built.root)
    layers = json.loads((built.root / "copied/manifest.json").read_text())["layers"]
    assert len(layers) == len(config["rootfs"]["diff_ids"]) == 3


def test_skopeo_sees_the_digest_that_hermes_says(built: Sandbox) -> None:
    skopeo = tool("skopeo")
    said = built.digest("//app:zstd")
    assert json.loads(output_of(skopeo, "inspect", f"oci:{built.root}/hermes-out/app/zstd"))["Digest"] == said


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for sockets and for podman."""
    folder = Path(tempfile.mkdtemp(prefix="hermes-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
@pytest.mark.root
def test_podman_runs_an_image(built: Sandbox, short: Path, compression: str) -> None:
    podman, runc = tool("podman"), tool("runc")
    if os.geteuid():
        pytest.skip("podman is tried as root only")
    base = [
        podman,
        f"--root={short}/root",
        f"--runroot={short}/run",
        "--storage-driver=vfs",
        "--events-backend=file",
        f"--runtime={runc}",
        "--cgroup-manager=cgroupfs",
    ]
    built.run("build", "-q", f"//app:{compression}", "-o", "oci-archive:out.tar:v1")
    policy = short / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    pulled = output_of(
        *base, "pull", "-q", f"--signature-policy={policy}", "oci-archive:out.tar", cwd=built.root
    ).strip()
    limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none"]
    assert output_of(*base, "run", "--rm", *limits, pulled) == SAYS


@pytest.mark.root
def test_buildah_mounts_an_image_with_the_same_files(built: Sandbox, tmp_path: Path) -> None:
    buildah = tool("buildah")
    if os.geteuid():
        pytest.skip("buildah is tried as root only")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    base = [buildah, f"--root={tmp_path}/root", f"--runroot={tmp_path}/run", "--storage-driver=vfs"]
    source = f"oci:{built.root}/hermes-out/app/zstd"
    container = output_of(*base, "from", "-q", f"--signature-policy={policy}", source).strip()
    mounted = Path(output_of(*base, "mount", container).strip())
    assert sorted(path.name for path in (mounted / "srv").iterdir()) == ["link", "made"]
    assert (mounted / "srv/made").stat().st_ino == (mounted / "srv/link").stat().st_ino
    assert not (mounted / "bin/yes").is_symlink()
    assert ((mounted / "hello.txt").stat().st_uid, (mounted / "hello.txt").stat().st_gid) == (7, 8)
    assert output_of(*base, "run", "--isolation=chroot", container, "cat", "/srv/made") == "made\n"


@pytest.mark.root
def test_umoci_unpacks_an_image(built: Sandbox, tmp_path: Path) -> None:
    umoci = tool("umoci")
    if os.geteuid():
        pytest.skip("umoci is tried as root only, so that owners can be seen")
    image = f"{built.root}/hermes-out/app/gzip:latest"
    output_of(umoci, "unpack", "--image", image, str(tmp_path / "bundle"))
    root = tmp_path / "bundle/rootfs"
    assert (root / "hello.txt").read_text() == "hello\n"
    assert (root / "hello.txt").stat().st_uid == 7
    assert (root / "srv/made").samefile(root / "srv/link")
    assert not (root / "bin/yes").is_symlink()


@pytest.fixture
def docker(short: Path) -> Iterator[list[str]]:
    """A Docker of this test's own."""
    with dockerd(short) as command:
        yield command


@contextmanager
def dockerd(short: Path, *options: str) -> Iterator[list[str]]:
    """Run a Docker until the end of the block; gives the beginning of its client's command lines."""
    client, daemon = tool("docker"), tool("dockerd")
    if os.geteuid():
        pytest.skip("dockerd needs root")
    socket = f"unix://{short}/socket"
    log = (short / "log").open("wb")
    process = subprocess.Popen(
        [
            daemon,
            f"--data-root={short}/data",
            f"--exec-root={short}/exec",
            f"--pidfile={short}/pid",
            f"--host={socket}",
            "--iptables=false",
            "--bridge=none",
            "--storage-driver=vfs",
            *options,
        ],
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        command = [client, f"--host={socket}"]
        for _ in range(150):
            if subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
                break
            if process.poll() is not None:
                pytest.skip(f"dockerd cannot run here: {(short / 'log').read_text()[-200:]}")
            time.sleep(0.1)
        yield command
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


@pytest.mark.root
def test_docker_loads_an_archive(built: Sandbox, docker: list[str]) -> None:
    built.run("build", "-q", "//app:zstd", "-o", "docker-archive:out.tar:shop/hello:v1")
    assert "shop/hello:v1" in output_of(*docker, "load", "--input", f"{built.root}/out.tar")
    (found,) = json.loads(output_of(*docker, "inspect", "shop/hello:v1"))
    assert found["Config"]["Labels"] == {"title": "interop"}
    assert len(found["RootFS"]["Layers"]) == 3


def test_an_archive_has_what_docker_of_old_reads(built: Sandbox) -> None:
    built.run("build", "-q", "//app:zstd", "-o", "docker-archive:out.tar")
    with tarfile.open(built.root / "out.tar") as archive:
        names = archive.getnames()
        repositories = json.load(archive.extractfile("repositories"))
        (top,) = repositories["app/zstd"].values()
        while top:
            assert {f"{top}/VERSION", f"{top}/json", f"{top}/layer.tar"} <= set(names)
            top = json.load(archive.extractfile(f"{top}/json")).get("parent")


def test_the_same_image_gives_the_same_archive(built: Sandbox) -> None:
    for kind in ("oci-archive", "docker-archive"):
        for name in ("one.tar", "two.tar"):
            built.run("build", "-q", "//app:zstd", "-o", f"{kind}:{name}:v1")
        assert (built.root / "one.tar").read_bytes() == (built.root / "two.tar").read_bytes()


def test_a_layout_takes_several_images(built: Sandbox) -> None:
    for tag in ("zstd", "gzip", "gzip"):
        assert built.run("build", "-q", f"//app:{tag}", "-o", f"oci:out:{tag}").returncode == 0
    index = json.loads((built.root / "out/index.json").read_text())
    assert [one["annotations"]["org.opencontainers.image.ref.name"] for one in index["manifests"]] == [
        "zstd",
        "gzip",
    ]


def test_blobs_in_the_output_folder_are_links(built: Sandbox) -> None:
    blobs = list((built.root / "hermes-out/app/zstd/blobs/sha256").iterdir())
    assert len(blobs) == 5
    for blob in blobs:
        assert blob.samefile(built.home / "blobs/sha256" / blob.name)

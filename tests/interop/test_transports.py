"""Images go round through every transport, and between Hermes and what other tools write and read.

``oci:``, ``oci-archive:`` and ``dir:`` keep every byte, so the digest too. ``docker-archive:``, ``docker-daemon:`` and
``containers-storage:`` keep the configuration and the layers' content (their diff_ids), not how layers are compressed.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import OrdinaryUser, add_base
from tests.interop.test_tools import SAYS, output_of, tool

pytestmark = pytest.mark.root

BUILD = """
files_layer(name = "hello", files = {"/hello.txt": "hello.txt"}, owner = "7:8")
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
) for compression in ["zstd", "gzip"]]
image_index(name = "index", image = ":gzip", platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"])
"""
EXACT = ("oci:{}:v1", "oci-archive:{}.tar:v1", "dir:{}.dir")
LIMITS = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none"]


class Tools:
    """A workspace with images, and the command line and other tools run in it."""

    def __init__(self, sandbox: Sandbox, short: Path) -> None:
        self.sandbox = sandbox
        self.root = sandbox.root
        self.storage = f"[vfs@{short}/storage+{short}/run]"
        self.options = [f"--root={short}/storage", f"--runroot={short}/run", "--storage-driver=vfs"]
        self.policy = short / "policy.json"
        self.policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def hermes(self, *arguments: str, status: int = 0, **env: str) -> str:
        done = self.sandbox.run(*arguments, env=env)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return (done.stderr if status else done.stdout).strip()

    def json(self, *arguments: str) -> dict[str, object]:
        return json.loads(self.hermes("inspect", "--json", *arguments))

    def digest(self, origin: str) -> str:
        return self.json(origin)["digest"]

    def diff_ids(self, origin: str) -> list[str]:
        return [one["diff_id"] for one in self.json(origin)["layers"]]

    def config(self, origin: str) -> str:
        """The digest of an image's configuration."""
        return json.loads(self.hermes("inspect", "--raw", origin))["config"]["digest"]

    def skopeo(self, *arguments: str) -> str:
        return output_of(tool("skopeo"), "--insecure-policy", *arguments, cwd=self.root)

    def podman(self, *arguments: str) -> str:
        more = ["--events-backend=file", f"--runtime={tool('runc')}", "--cgroup-manager=cgroupfs"]
        return output_of(tool("podman"), *self.options, *more, *arguments, cwd=self.root).strip()

    def buildah(self, *arguments: str) -> str:
        return output_of(tool("buildah"), *self.options, *arguments, cwd=self.root).strip()

    def runs(self, image: str) -> str:
        return self.podman("run", "--rm", *LIMITS, image)


@pytest.fixture
def tools(workspace: Sandbox, short: Path) -> Iterator[Tools]:
    if os.geteuid():
        pytest.skip("the other tools are tried as root only")
    add_base(workspace)
    workspace.write("app/BUILD", BUILD)
    workspace.write("app/hello.txt", "hello\n")
    made = Tools(workspace, short)
    yield made
    for name in ("podman", "buildah"):
        if shutil.which(name):
            command = [name, *made.options, "rmi", "-af"]
            subprocess.run(command, check=False, capture_output=True)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_a_copy_from_anywhere_to_anywhere_is_the_same(tools: Tools, compression: str) -> None:
    digest = tools.sandbox.digest(f"//app:{compression}")
    first = [one.format("first") for one in EXACT]
    for one in first:
        assert tools.hermes("copy", f"//app:{compression}", one) == digest
    for number, (source, target) in enumerate(itertools.product(first, EXACT)):
        copied = target.format(f"copy{number}")
        assert tools.hermes("copy", source, copied) == digest
        assert tools.digest(copied) == digest
    assert (tools.root / "copy1.tar").read_bytes() == (tools.root / "copy4.tar").read_bytes()


def test_formats_without_compressed_layers_keep_configuration_and_layers(tools: Tools) -> None:
    diff_ids, config = tools.diff_ids("//app:zstd"), tools.config("//app:zstd")
    places = ["docker-archive:out.tar:shop/app:v1"]
    if shutil.which("skopeo"):
        places.append(f"containers-storage:{tools.storage}shop/app:v1")
    for place in places:
        tools.hermes("copy", "//app:zstd", place)
        assert tools.diff_ids(place) == diff_ids
        assert tools.config(place) == config
    saved = tools.digest("docker-archive:out.tar")
    for one in EXACT:
        assert tools.hermes("copy", "docker-archive:out.tar", one.format("plain")) == saved
    tools.hermes("copy", "dir:plain.dir", "docker-archive:again.tar:shop/app:v1")
    assert (tools.root / "again.tar").read_bytes() == (tools.root / "out.tar").read_bytes()
    assert tools.hermes("diff", "//app:zstd", "docker-archive:again.tar") == ""


@pytest.mark.parametrize(
    "source", ["oci:first:v1", "oci-archive:first.tar:v1", "dir:first", "docker-archive:first.tar"]
)
def test_what_skopeo_writes_is_read(tools: Tools, source: str) -> None:
    tools.hermes("copy", "//app:gzip", "oci:ours:v1")
    tools.skopeo(
        "copy", "-q", "oci:ours:v1", f"{source}:shop/app:v1" if source.startswith("docker") else source
    )
    assert tools.diff_ids(source) == tools.diff_ids("//app:gzip")
    if not source.startswith("docker"):
        assert tools.digest(source) == tools.digest("//app:gzip")
    name = tools.hermes("ctr", "from", source)
    assert tools.hermes("ctr", "run", name, "--", "cat", "/hello.txt", "/srv/link") == "hello\nmade"


@pytest.mark.parametrize("target", [one.format("ours") for one in (*EXACT, "docker-archive:{}.tar:app:v1")])
def test_what_is_copied_is_read_by_skopeo(tools: Tools, target: str) -> None:
    tools.hermes("copy", "//app:zstd", target)
    found = json.loads(tools.skopeo("inspect", "--config", target))
    assert found["rootfs"]["diff_ids"] == tools.diff_ids("//app:zstd")
    tools.skopeo("copy", "-q", target, "dir:theirs")
    assert tools.diff_ids("dir:theirs") == tools.diff_ids("//app:zstd")


@pytest.mark.parametrize(
    ("format_", "transport"),
    [
        ("docker-archive", "docker-archive:saved"),
        ("oci-archive", "oci-archive:saved"),
        ("oci-dir", "oci:saved"),
        ("docker-dir", "dir:saved"),
    ],
)
def test_what_podman_saves_is_read(tools: Tools, format_: str, transport: str) -> None:
    tools.hermes("copy", "//app:gzip", "oci-archive:ours.tar:v1")
    pulled = tools.podman("pull", "-q", f"--signature-policy={tools.policy}", "oci-archive:ours.tar")
    tools.podman("tag", pulled, "shop/app:v1")
    tools.podman("save", "-q", f"--format={format_}", "-o", "saved", "shop/app:v1")
    assert tools.diff_ids(transport) == tools.diff_ids("//app:gzip")
    name = tools.hermes("ctr", "from", transport)
    assert tools.hermes("ctr", "run", name, "--", "cat", "/srv/link") == "made"


def test_an_archive_of_several_images_is_read_by_name(tools: Tools) -> None:
    tools.hermes("copy", "//app:gzip", "oci-archive:gzip.tar:v1")
    committed = tools.hermes("ctr", "from", "oci-archive:gzip.tar")
    tools.hermes("ctr", "run", committed, "--", "sh", "-c", "echo more > /more")
    tools.hermes("ctr", "commit", "--compression=gzip", committed, "oci-archive:more.tar:v1")
    for name in ("gzip", "more"):
        pulled = tools.podman("pull", "-q", f"--signature-policy={tools.policy}", f"oci-archive:{name}.tar")
        tools.podman("tag", pulled, f"localhost/shop/{name}:v1")
    tools.podman("save", "-q", "-m", "-o", "all.tar", "localhost/shop/gzip:v1", "localhost/shop/more:v1")
    said = tools.hermes("inspect", "docker-archive:all.tar", status=2)
    assert "there are 2 images" in said
    assert "localhost/shop/more:v1" in said
    assert len(tools.diff_ids("docker-archive:all.tar:localhost/shop/more:v1")) == 4
    assert "no image shop/none" in tools.hermes("inspect", "docker-archive:all.tar:shop/none", status=2)


def test_what_buildah_commits_is_read(tools: Tools) -> None:
    tools.hermes("copy", "//app:gzip", "oci:ours:v1")
    container = tools.buildah("from", "-q", f"--signature-policy={tools.policy}", "oci:ours:v1")
    tools.buildah("config", "--env", "MORE=1", "--healthcheck", "CMD true", container)
    tools.buildah("copy", "-q", container, "app/hello.txt", "/more")
    for format_, target in (("oci", "oci:theirs:v1"), ("docker", "docker-archive:theirs.tar:shop/app:v1")):
        tools.buildah(
            "commit", "-q", f"--format={format_}", f"--signature-policy={tools.policy}", container, target
        )
        name = tools.hermes("ctr", "from", target)
        assert tools.hermes("ctr", "run", name, "--", "cat", "/more") == "hello"
        done = tools.sandbox.run("diff", "//app:gzip", target)
        assert done.returncode == 1
        said = done.stdout.splitlines()
        assert [one for one in said if not one.startswith(("C config created", "A config Labels"))][:2] == [
            "A /more",
            "A config Env MORE",
        ]


def test_what_umoci_makes_is_read(tools: Tools) -> None:
    umoci = tool("umoci")
    tools.hermes("copy", "//app:gzip", "oci:ours:v1")
    output_of(umoci, "insert", "--image", "ours:v1", "--tag", "v2", "app/hello.txt", "/more", cwd=tools.root)
    output_of(umoci, "config", "--image", "ours:v2", "--config.env", "MORE=1", cwd=tools.root)
    assert tools.digest("oci:ours:v1") == tools.digest("//app:gzip")
    assert tools.diff_ids("oci:ours:v2")[:3] == tools.diff_ids("//app:gzip")
    name = tools.hermes("ctr", "from", "oci:ours:v2")
    assert tools.hermes("ctr", "run", name, "--", "sh", "-c", "cat /more; echo $MORE") == "hello\n1"
    tools.hermes("ctr", "commit", name, "oci:ours:v3")
    output_of(umoci, "unpack", "--image", "ours:v3", "bundle", cwd=tools.root)
    assert (tools.root / "bundle/rootfs/more").read_text() == "hello\n"


def test_the_layers_of_a_base_stay_as_they_are(tools: Tools) -> None:
    """A commit on an image of others has their blobs; podman runs gzip and zstd layers on top of each other."""
    tools.hermes("copy", "//app:gzip", "oci:ours:v1")
    tools.skopeo(
        "copy", "-q", "--dest-compress-format=gzip", "--dest-compress-level=1", "oci:ours:v1", "dir:theirs"
    )
    base = json.loads((tools.root / "theirs/manifest.json").read_text())
    tools.sandbox.home = tools.root.parent / "other"
    name = tools.hermes("ctr", "from", "dir:theirs")
    tools.hermes("ctr", "run", name, "--", "sh", "-c", "echo more > /more")
    tools.hermes("cache", "gc", "--max-size", "0")
    tools.hermes("ctr", "commit", name, "oci:mixed:v1")
    made = json.loads(tools.hermes("inspect", "--raw", "oci:mixed:v1"))
    assert made["layers"][:3] == base["layers"]
    assert made["layers"][3]["mediaType"].endswith("+zstd")
    pulled = tools.podman("pull", "-q", f"--signature-policy={tools.policy}", "oci:mixed:v1")
    assert tools.runs(pulled) == SAYS.strip()
    tools.hermes("ctr", "commit", "--recompress", "--compression-level", "9", name, "oci:mixed:v2")
    again = json.loads(tools.hermes("inspect", "--raw", "oci:mixed:v2"))
    assert {one["mediaType"].rpartition("+")[2] for one in again["layers"]} == {"zstd"}
    assert tools.diff_ids("oci:mixed:v2") == tools.diff_ids("oci:mixed:v1")
    tools.hermes("ctr", "commit", "--format", "docker", name, "dir:docker")
    types = {
        one["mediaType"] for one in json.loads((tools.root / "docker/manifest.json").read_text())["layers"]
    }
    assert types == {"application/vnd.docker.image.rootfs.diff.tar.gzip"}


@pytest.mark.parametrize("program", ["skopeo", "podman"])
def test_the_storage_of_podman_is_read_and_written(tools: Tools, short: Path, program: str) -> None:
    path = short / "bin"
    path.mkdir()
    for name in (program, "runc", "crun", "conmon", "newuidmap", "newgidmap", "tar", "iptables"):
        if found := shutil.which(name):
            (path / name).symlink_to(found)
    tool(program)
    env = {"PATH": str(path), "CONTAINERS_REGISTRIES_CONF": os.devnull}
    place = f"containers-storage:{tools.storage}localhost/shop/app:v1"
    tools.hermes("copy", "//app:zstd", place, **env)
    assert tools.runs("localhost/shop/app:v1") == SAYS.strip()
    assert tools.hermes("pull", place, **env).startswith("localhost/shop/app:v1  sha256:")
    assert tools.hermes("diff", "//app:zstd", "localhost/shop/app:v1") == ""
    assert tools.hermes("inspect", place.replace("v1", "v2"), status=1, **env).count("error: ") == 1
    other = place.replace("v1", "arm")
    tools.hermes("copy", "//app:index", other, "--platform", "linux/arm64", **env)
    check_platform(tools, other, **env)
    assert "no program that knows" in tools.hermes("inspect", place, status=1, PATH=str(short))


def check_platform(tools: Tools, place: str, **env: str) -> None:
    """What is there is for arm64: it is refused for another platform, as from anywhere else."""
    said = tools.hermes("pull", place, "x", "--platform", "linux/amd64", status=2, **env)
    assert f"{place}: there is no image for linux/amd64\nhint: there is linux/arm64; say --platform" in said
    assert tools.hermes("pull", place, "x", "--platform", "linux/arm64", **env)


def test_a_daemon_is_read_and_written(tools: Tools, docker: list[str]) -> None:
    host = docker[1].removeprefix("--host=")
    env = {"DOCKER_HOST": host}
    tools.hermes("copy", "//app:zstd", "docker-daemon:shop/app:v1", **env)
    (found,) = json.loads(output_of(*docker, "inspect", "shop/app:v1"))
    assert found["RootFS"]["Layers"] == tools.diff_ids("//app:zstd")
    assert found["Id"] == tools.config("//app:zstd")
    assert tools.hermes("pull", "docker-daemon:shop/app:v1", **env).startswith("shop/app:v1  sha256:")
    assert tools.hermes("diff", "//app:zstd", "shop/app:v1") == ""
    assert tools.hermes("pull", f"docker-daemon:{found['Id']}", "by-id", **env)
    assert "no such image" in tools.hermes("pull", "docker-daemon:shop/none:v1", status=2, **env)
    tools.hermes("copy", "//app:index", "docker-daemon:shop/app:arm", "--platform", "linux/arm64", **env)
    check_platform(tools, "docker-daemon:shop/app:arm", **env)
    dockerfile = tools.root / "context"
    dockerfile.mkdir()
    text = "FROM shop/app:v1\nCOPY f /f\nCOPY f /f\nENV MORE=1\n"
    (dockerfile / "Dockerfile").write_text(text)
    (dockerfile / "f").write_text("same")
    output_of(
        *docker,
        "build",
        "-q",
        "-t",
        "shop/more:v1",
        str(dockerfile),
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )
    output_of(*docker, "save", "-o", str(tools.root / "saved.tar"), "shop/more:v1", "shop/app:v1")
    origin = "docker-archive:saved.tar:shop/more:v1"
    name = tools.hermes("ctr", "from", origin)
    assert tools.hermes("ctr", "run", name, "--", "sh", "-c", "cat /f; echo $MORE") == "same1"
    theirs = json.loads(output_of(*docker, "inspect", "shop/more:v1"))[0]
    assert tools.config(origin) == theirs["Id"]


def test_a_daemon_that_is_not_there(tools: Tools, short: Path) -> None:
    said = tools.hermes("pull", "docker-daemon:app:v1", status=1, DOCKER_HOST=f"unix://{short}/none")
    assert "there is no daemon at" in said
    said = tools.hermes("copy", "//app:gzip", "docker-daemon:app:v1", status=2, DOCKER_HOST="fd://3")
    assert "which Hermes cannot reach" in said


def test_an_index_is_the_same_everywhere(tools: Tools) -> None:
    digest = tools.sandbox.digest("//app:index")
    places = [one.format("index") for one in EXACT]
    for one in places:
        assert tools.hermes("copy", "//app:index", one) == digest
        assert tools.hermes("copy", "--all-platforms", one, one.replace("index", "again")) == digest
        for platform, architecture in (("linux/amd64", "amd64"), ("arm64", "arm64"), ("linux/arm", "arm")):
            found = json.loads(tools.hermes("inspect", "--config", "--platform", platform, one))
            assert found["architecture"] == architecture
            raw = tools.skopeo("inspect", "--config", f"--override-arch={architecture}", one)
            assert json.loads(raw)["architecture"] == architecture
    tools.skopeo("copy", "-q", "--all", "dir:index.dir", "oci:theirs:v1")
    assert tools.digest("oci:theirs:v1") == digest
    layout = tools.root / "hermes-out/app/index"
    assert json.loads(tools.skopeo("inspect", "--raw", f"oci:{layout}"))["manifests"][2]["platform"] == {
        "architecture": "arm",
        "os": "linux",
        "variant": "v7",
    }
    pulled = tools.podman("pull", "-q", f"--signature-policy={tools.policy}", "oci:index:v1")
    assert tools.runs(pulled) == SAYS.strip()


def test_an_index_does_not_go_where_one_image_goes(tools: Tools) -> None:
    for place in ("docker-archive:x.tar", "docker-daemon:x:1", f"containers-storage:{tools.storage}x:1"):
        said = tools.hermes("copy", "//app:index", place, status=2)
        assert "holds an image for one platform" in said
    tools.hermes("copy", "--platform", "linux/arm64", "//app:index", "docker-archive:x.tar")
    assert tools.json("docker-archive:x.tar")["architecture"] == "arm64"
    assert not (tools.root / "x").exists()


def test_an_ordinary_user_has_the_same(tools: Tools, ordinary_user: OrdinaryUser) -> None:
    tools.hermes("copy", "//app:gzip", "oci-archive:ours.tar:v1")
    tools.hermes("copy", "//app:gzip", "docker-archive:saved.tar:shop/app:v1")
    for name in ("ours.tar", "saved.tar"):
        shutil.copy(tools.root / name, ordinary_user.folder / name)
    for origin in ("oci-archive:{}/ours.tar", "docker-archive:{}/saved.tar"):
        place = origin.format(ordinary_user.folder)
        said = ordinary_user.run("pull", place, "app").stdout.split()
        assert said == ["app:latest", tools.digest(origin.format(tools.root))]
        ran = ordinary_user.run("run", "app").stdout
        assert ran == SAYS
        assert ordinary_user.run("copy", "app", f"oci:{ordinary_user.folder}/out").stdout.strip() == said[1]

"""examples/worker: the image of a worker, which Hermes builds, and what runs it beside BuildGrid."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from hermes.remote.settings import USUAL_PLATFORM
from tests.conftest import ROOT, run_hermes
from tests.remote.cluster import Cluster
from tests.remote.place import Made, digest_of

FOLDER = ROOT / "examples/worker"
ALL = os.environ.get("HERMES_TEST_PEERS") in ("all", "every")


def test_the_image_has_what_hermes_says_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {*project["dependencies"], *project["optional-dependencies"]["remote"]}
    lines = (FOLDER / "requirements.in").read_text().splitlines()
    assert {one for one in lines if not one.startswith("#")} == needed


class Config(yaml.SafeLoader):
    """BuildGrid's configuration, whose tags name classes."""


Config.add_multi_constructor(
    "!", lambda loader, tag, node: {"": tag, **loader.construct_mapping(node, deep=True)}
)


def test_the_manifest_names_what_is_there() -> None:
    """Addresses, images and properties of compose.yaml, server.yml, the BUILD file and of what a worker offers are the same."""
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    server = yaml.load((FOLDER / "server.yml").read_text(), Config)
    pushed = set(re.findall(r'repository = "(.*)"', (FOLDER / "BUILD").read_text()))
    assert {services[one]["image"] for one in ("server", "worker")} == {f"{one}:latest" for one in pushed}

    (channel,) = server["server"]
    port = channel["address"].rpartition(":")[2]
    url, *options = services["worker"]["command"]
    assert url == f"grpc://server:{port}"
    assert services["server"]["ports"] == [f"{port}:{port}"]
    help_of = run_hermes("worker", "--help", cwd=FOLDER, home=FOLDER / "none").stdout
    assert all(one in help_of for one in options if one.startswith("--"))

    database = services["database"]["environment"]
    login = f"{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}@database/{database['POSTGRES_DB']}"
    assert server["connections"][0]["connection-string"] == f"postgresql+psycopg2://{login}"
    assert f'"postgresql+psycopg2://{login}"' in services["tables"]["command"][0]
    compile(services["tables"]["command"][0], "compose.yaml", "exec")

    (scheduler,) = server["schedulers"]
    assert {*USUAL_PLATFORM, "ISA"} == set(scheduler["property-set"]["match-property-keys"])
    mounted = dict(one.split(":")[1::-1] for one in services["server"]["volumes"])
    assert server["storages"][0]["path"].startswith(next(iter(mounted)))
    assert "/etc/buildgrid/server.yml" in mounted
    assert '"/etc/buildgrid/server.yml"' in (FOLDER / "BUILD").read_text()
    assert services["worker"]["volumes"] == ["/var/lib/hermes"]
    assert '"HERMES_HOME": "/var/lib/hermes"' in (FOLDER / "BUILD").read_text()


@contextmanager
def in_container(folder: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a container of podman, of the image that Hermes has built."""
    podman = ["podman", f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=overlay"]
    podman += ["--events-backend=file", "--runtime=/usr/bin/runc", "--cgroup-manager=cgroupfs"]
    built = run_hermes(
        *("build", "-q", "//examples/worker:image", "-o", f"docker-archive:{folder}/image.tar"),
        cwd=ROOT,
        home=folder / "home",
    )
    assert built.returncode == 0, built.stderr
    done = subprocess.run(
        [*podman, "load", "-q", "-i", folder / "image.tar"], check=True, capture_output=True
    )
    image = done.stdout.decode().rpartition(" ")[2].strip()
    (folder / "store").mkdir()
    run = ["run", "--rm", "--name=worker", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
    run += ["--network=host", "--security-opt=seccomp=unconfined", "--security-opt=unmask=ALL"]
    run += [f"--volume={folder}/store:/var/lib/hermes", image, url, "--jobs=1"]
    run += ["--name=contained", "--property=hermes-ids=contained"]
    with open(folder / "log", "wb") as log:
        worker = subprocess.Popen([*podman, *run], stdout=log, stderr=log)
    try:
        yield worker
    finally:
        subprocess.run([*podman, "rm", "-af", "-t", "5"], check=False, capture_output=True)
        worker.wait(30)
        subprocess.run([*podman, "rmi", "-af"], check=False, capture_output=True)


@pytest.mark.network
@pytest.mark.skipif(not ALL, reason="HERMES_TEST_PEERS=all builds the image and runs it in podman: 40 s")
def test_an_action_is_executed_in_a_container_of_the_image(cluster: Cluster, place: Made) -> None:
    if not shutil.which("podman") or not shutil.which("runc"):
        pytest.skip("podman or runc is not installed")
    it = place("contained")
    here = digest_of(it.build("here"))
    it.root.write(
        "hermes.yaml",
        f"remote:\n  executor: {cluster.url}\n  local_fallback: false\n"
        '  platform: {OSFamily: linux, hermes: "1", hermes-ids: contained}\n',
    )
    with (
        tempfile.TemporaryDirectory(prefix="hw-", ignore_cleanup_errors=True) as folder,
        in_container(Path(folder), cluster.url) as worker,
    ):
        assert worker.poll() is None
        there = it.build("there")
    assert digest_of(there) == here
    assert it.elsewhere() == {"//app:a", "//app:b", "//app:c"}

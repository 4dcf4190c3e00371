"""``docker://`` beside the other transports: what `hermes copy`, `pull`, `inspect` and `diff` make of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.integration.conftest import add_base
from tests.interop.test_tools import output_of, short, tool
from tests.registry.servers import Registry, Wire

__all__ = ["short"]

BUILD = """
config_setting(name = "arm", platform = "linux/arm64")
files_layer(
    name = "layer",
    files = select({":arm": {"/which": "arm.txt"}, "//conditions:default": {"/which": "other.txt"}}),
)
image(name = "image", base = "//base:root", layers = [":layer"], entrypoint = ["/bin/cat", "/which"])
image_index(name = "index", image = ":image", platforms = ["linux/amd64", "linux/arm64"])
"""


@pytest.fixture
def app(workspace: Sandbox) -> Sandbox:
    add_base(workspace)
    workspace.write("app/BUILD", BUILD)
    workspace.write("app/arm.txt", "arm\n")
    workspace.write("app/other.txt", "other\n")
    return workspace


@pytest.fixture
def other(tmp_path: Path) -> Sandbox:
    """A store that has nothing yet."""
    return Sandbox(tmp_path / "other", tmp_path / "other-home")


def ok(sandbox: Sandbox, *arguments: str, status: int = 0) -> str:
    done = sandbox.run(*arguments)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.strip()


def test_an_image_goes_to_a_registry_and_comes_back_the_same(
    app: Sandbox, other: Sandbox, registry: Registry
) -> None:
    digest = app.digest("//app:image")
    place = f"docker://{registry.host}/app:v1"
    assert ok(app, "copy", "//app:image", place) == digest
    assert ok(other, "pull", place) == f"{registry.host}/app:v1  {digest}"
    for target in ("oci:layout:v1", "oci-archive:layout.tar:v1", "dir:dir"):
        assert ok(other, "copy", place, target) == digest
        assert ok(other, "copy", target, place.replace("v1", "again")) == digest
        assert ok(other, "diff", target, place) == ""
    ok(other, "copy", place, "docker-archive:saved.tar")
    assert ok(other, "diff", place, "docker-archive:saved.tar") == ""
    assert ok(other, "run", f"{registry.host}/app:v1") == "other"


def test_inspect_reads_the_documents_only(
    app: Sandbox, other: Sandbox, wire: Wire, registry: Registry
) -> None:
    digest = ok(app, "copy", "//app:image", f"docker://{registry.host}/app:v1")
    found = json.loads(ok(other, "inspect", "--json", f"docker://{wire.host}/app:v1"))
    assert found["digest"] == digest
    assert len(found["layers"]) == 2
    assert wire.down < 10_000
    assert "/which" in ok(other, "inspect", "--files", f"docker://{wire.host}/app:v1")


def test_an_index_goes_whole_or_by_platform(
    app: Sandbox, other: Sandbox, registry: Registry, short: Path
) -> None:
    digest = app.digest("//app:index")
    place = f"docker://{registry.host}/app:v1"
    assert ok(app, "copy", "//app:index", place) == digest
    assert ok(other, "pull", "--all-platforms", place, "every").endswith(digest)
    assert ok(other, "copy", "every", "oci:layout:v1") == digest
    arm = ok(other, "copy", "--platform", "linux/arm64", place, "dir:arm")
    assert json.loads(ok(other, "inspect", "--json", "dir:arm"))["platform"] == "linux/arm64"
    assert arm != digest
    said = other.run("pull", "--platform", "linux/s390x", place, "none").stderr
    assert "there are linux/amd64, linux/arm64" in said
    if os.geteuid():
        pytest.skip("podman is tried as root only")
    podman = [tool("podman"), f"--root={short}/root", f"--runroot={short}/run", "--storage-driver=vfs"]
    policy = short / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    for architecture in ("amd64", "arm64"):
        pull = ["pull", "-q", f"--arch={architecture}", "--tls-verify=false", f"--signature-policy={policy}"]
        pulled = output_of(*podman, *pull, place).strip()
        (row,) = json.loads(output_of(*podman, "inspect", pulled))
        assert row["Architecture"] == architecture
        output_of(*podman, "rmi", "-af")


def test_image_push_takes_an_index(app: Sandbox, registry: Registry) -> None:
    text = (
        f'image_push(name = "push", image = ":index", repository = "{registry.host}/pushed", tags = ["v1"])\n'
    )
    app.write("app/BUILD", BUILD + text)
    assert ok(app, "push", "-q", "//app:push") == app.digest("//app:index")
    raw = ok(app, "inspect", "--raw", f"docker://{registry.host}/pushed:v1")
    assert len(json.loads(raw)["manifests"]) == 2


def test_a_container_on_an_image_of_a_registry_leaves_its_layers_there(
    app: Sandbox, other: Sandbox, wire: Wire, registry: Registry
) -> None:
    ok(app, "copy", "//app:image", f"docker://{registry.host}/app:v1")
    base = json.loads(ok(app, "inspect", "--raw", "//app:image"))["layers"]
    name = ok(other, "ctr", "from", f"docker://{wire.host}/app:v1")
    ok(other, "ctr", "config", "--env", "A=1", name)
    ok(other, "ctr", "commit", name, "changed")
    assert wire.down < 10_000
    assert json.loads(ok(other, "inspect", "--raw", "changed"))["layers"] == base
    ok(other, "copy", "changed", "oci:layout:v1")
    assert wire.down > 100_000
    assert ok(other, "run", "changed") == "other"
    skopeo = shutil.which("skopeo")
    if skopeo:
        output_of(skopeo, "copy", "--insecure-policy", "-q", "oci:layout:v1", "dir:theirs", cwd=other.root)

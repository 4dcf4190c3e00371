"""What is fetched of what a service has: nothing before something needs it, and to a registry without being stored."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.engine.events import Warned
from tests.conftest import run_hermes
from tests.registry.servers import Registry, docker_registry
from tests.remote.cluster import Cluster
from tests.remote.sharing import Made, Place, digest_of, layout_of

MINIMAL = {"download": "minimal"}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    (tmp_path / "auth.json").write_text('{"auths": {}}')
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    with docker_registry(tmp_path / "registry") as found:
        yield found


def largest(it: Place, store: str) -> int:
    """The size of the largest blob in a store."""
    return max(one.stat().st_size for one in (it.folder / store / "blobs/sha256").iterdir())


def hermes(it: Place, store: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_hermes(*arguments, cwd=it.root.root, home=it.folder / store)


def test_no_layer_is_fetched_that_nothing_reads(cluster: Cluster, sharing: Made) -> None:
    """Only documents are in the layout and in the store, until the mode asks for more, or a command for bytes."""
    it = sharing("minimal")
    here = digest_of(it.build("here", cluster.url))
    lean = it.build("fresh", cluster.url, choice=MINIMAL)
    assert (lean.executed, digest_of(lean)) == ((), here)
    assert len(layout_of(lean)) == 2
    assert largest(it, "fresh") < 10_000
    assert it.build("fresh", cluster.url, choice=MINIMAL).executed == ()
    options = ["--remote-cache", cluster.url, "--entrypoint", "/bin/cat"]
    ran = hermes(it, "fresh", "run", *options, "//app:image", "/b")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "minimal"
    whole = it.build("fresh", cluster.url)
    assert (whole.executed, digest_of(whole), len(layout_of(whole))) == ((), here, 5)
    assert it.of(Warned) == []


def test_everything_is_fetched_where_that_is_asked_for(cluster: Cluster, sharing: Made) -> None:
    it = sharing("everything")
    it.build("here", cluster.url)
    full = it.build("fresh", cluster.url, choice={"download": "all"})
    assert full.executed == ()
    assert len(it.tars("fresh")) == 5, "those of the image, and of the folders on the way to its files"
    assert len(layout_of(full)) == 5


def test_an_image_is_pushed_without_being_here(cluster: Cluster, sharing: Made, registry: Registry) -> None:
    it = sharing("pushed")
    it.build("here", cluster.url)
    where = f"docker://{registry.host}/app:v1"
    pushed = hermes(it, "fresh", "push", "//app:image", where, "--remote-cache", cluster.url)
    assert pushed.returncode == 0, pushed.stderr
    assert largest(it, "fresh") < 10_000
    assert "blobs: 4 sent" in pushed.stderr
    copied = it.folder / "copied"
    command = ["skopeo", "copy", "-q", "--src-tls-verify=false", where, f"dir:{copied}"]
    subprocess.run(command, check=True)
    assert pushed.stdout.strip() == digest_of(it.build("here"))


@pytest.mark.parametrize("is_named", [True, False], ids=["lost", "not-named"])
def test_what_cannot_be_fetched_any_more_is_built_before_it_leaves(
    cluster: Cluster, sharing: Made, registry: Registry, is_named: bool
) -> None:
    """The service has lost the blobs after a build that left them there, or nobody says how it is reached."""
    it = sharing(f"gone-{is_named}")
    here = digest_of(it.build("here", cluster.url))
    it.build("fresh", cluster.url, choice=MINIMAL)
    if is_named:
        for path in cluster.blobs().values():
            path.unlink()
    options = ["--remote-cache", cluster.url] if is_named else []
    pushed = hermes(it, "fresh", "push", "//app:image", f"docker://{registry.host}/app:v1", *options)
    assert pushed.returncode == 0, pushed.stderr
    assert pushed.stdout.strip() == here
    assert len(re.findall("warning: .*building what gives it again", pushed.stderr)) >= 1
    assert hermes(it, "fresh", "run", "--entrypoint", "/bin/cat", "//app:image", "/b").stdout == it.word
    archive = hermes(it, "fresh", "build", "//app:image", "-o", "oci-archive:a.tar")
    assert archive.returncode == 0, archive.stderr


def test_a_garbage_collection_keeps_what_tells_of_layers_that_are_elsewhere(
    cluster: Cluster, sharing: Made
) -> None:
    it = sharing("collected")
    it.build("here", cluster.url)
    it.build("fresh", cluster.url, choice=MINIMAL)
    before = len(list((it.folder / "fresh/toc").iterdir()))
    assert hermes(it, "fresh", "cache", "gc", "--max-size", "100M").returncode == 0
    assert len(list((it.folder / "fresh/toc").iterdir())) == before
    assert it.build("fresh", cluster.url).executed == ()
    notes = [json.loads(one.read_text()) for one in (it.folder / "fresh/remote").iterdir()]
    assert {one["place"] for one in notes} == {cluster.url}

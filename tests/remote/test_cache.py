"""Results that machines share by a service: found from a fresh store, with the bytes that somebody needs, and no others."""

from __future__ import annotations

import pytest

from hermes import SecretSource
from hermes.api.workspace import Workspace
from hermes.build.options import BuildOptions
from hermes.build.test_options import TestOptions
from hermes.engine.events import ActionCached, ActionFinished, Event, Warned
from hermes.remote.settings import RemoteChoice
from tests.remote.cluster import Cluster, free_port
from tests.remote.sharing import BUILD, Calling, Made, digest_of, layout_of


@pytest.fixture
def place(sharing: Made) -> Made:
    return sharing


def test_a_fresh_store_finds_what_another_has_built(cluster: Cluster, place: Made) -> None:
    it = place("found")
    here = digest_of(it.build("here"))
    assert it.build("first", cluster.url).executed
    again = it.build("fresh", cluster.url)
    assert again.executed == ()
    assert digest_of(again) == here
    assert len(layout_of(again)) == 5
    assert it.tars("fresh") == set()
    assert {one.where for one in it.of(ActionCached)} == {cluster.url}
    assert it.of(Warned) == []
    later = it.build("fresh")
    assert later.executed == ()
    assert digest_of(later) == here


def test_an_image_whose_manifest_made_a_layer_is_whole(cluster: Cluster, place: Made) -> None:
    """A layer of the folders on the way to files is compressed by the action that makes the manifest."""
    it = place("folders")
    here = it.build("here", "", "//app:folders")
    blobs = len(layout_of(here))
    it.build("first", cluster.url, "//app:folders")
    again = it.build("fresh", cluster.url, "//app:folders")
    assert again.executed == ()
    assert digest_of(again) == digest_of(here)
    assert (blobs, len(layout_of(again))) == (5, 5)
    assert it.of(Warned) == []


def test_a_test_that_passed_elsewhere_is_not_run_again(cluster: Cluster, place: Made) -> None:
    it = place("tested")
    test = 'command_test(name = "test", image = ":image", argv = ["/bin/cat", "/b"], expected_output = ["tested"])'
    it.root.write(
        "app/BUILD",
        f'load("@hermes//rules:test.bzl", "command_test")\n{BUILD.format(word=it.word, more="")}{test}\n',
    )

    def tested(store: str) -> tuple[str, bool, set[str]]:
        it.events.clear()
        workspace = Workspace(
            it.root.root, home=it.folder / store, subscribers=[it.events.append], say=lambda _: None
        )
        options = BuildOptions(remote=RemoteChoice(cache=cluster.url), tests=TestOptions())
        (found,) = workspace.test(["//app:test"], options).tests
        return (
            found.status,
            found.is_cached,
            {one.kind for one in it.events if isinstance(one, ActionFinished)},
        )

    assert tested("first") == ("passed", False, {"config", "layer", "run", "test"})
    assert tested("fresh") == ("passed", True, set())
    assert it.tars("fresh") == set()


def test_only_the_layers_that_a_command_reads_are_fetched(cluster: Cluster, place: Made) -> None:
    it = place("read")
    it.build("first", cluster.url, "//app:b")
    it.write("/dev/null")
    changed = it.build("fresh", cluster.url, "//app:b")
    assert {one.owner for one in it.of(ActionFinished) if one.kind == "run"} == {"//app:b"}
    assert {one.owner for one in it.of(ActionCached) if one.kind == "run"} == {"//app:a"}
    assert len(it.tars("fresh")) == 2, "the base and the layer of a, not that of the files which a has read"
    assert it.of(Warned) == []
    assert digest_of(changed) == digest_of(it.build("here", "", "//app:b"))


def test_layers_that_the_service_has_lost_are_built_here(cluster: Cluster, place: Made) -> None:
    it = place("lost")
    it.build("first", cluster.url)
    it.write("/dev/null")
    gone: list[str] = []

    def lose(event: Event) -> None:
        if isinstance(event, ActionCached) and event.owner == "//app:a" and event.kind == "run" and not gone:
            for name, path in cluster.blobs().items():
                path.unlink()
                gone.append(name)

    it.events = Calling(lose)
    changed = it.build("fresh", cluster.url)
    assert gone
    it.events = []
    assert digest_of(changed) == digest_of(it.build("here"))


def test_wrong_bytes_in_the_storage_are_not_believed(cluster: Cluster, place: Made) -> None:
    it = place("wrong")
    it.build("first", cluster.url)
    for path in cluster.blobs().values():
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(bytes(255 - one for one in data[:64]) + data[64:])
    try:
        result = it.build("fresh", cluster.url)
    finally:
        for path in cluster.blobs().values():
            path.unlink()
    assert digest_of(result) == digest_of(it.build("here"))


def test_a_machine_that_may_not_write_sends_nothing(cluster: Cluster, place: Made) -> None:
    it = place("reader")
    before = set(cluster.blobs())
    it.build("first", cluster.url, choice={"upload": False})
    assert set(cluster.blobs()) == before


def test_a_secret_never_comes_into_the_storage(
    cluster: Cluster, place: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = place("hidden-word-of-a-log")
    value = "Zx8-not-for-others-Qq"
    monkeypatch.setenv("IT", value)
    it.build("store", cluster.url, "//app:hidden", secrets=[SecretSource.parse("id=it,env=IT")])
    found = [path for path in cluster.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [one for one in found if value.encode() in one.read_bytes()] == []
    assert [one for one in found if f"{it.word}\n".encode() in one.read_bytes()] == []


def test_a_cache_that_is_away_is_one_warning(place: Made) -> None:
    it = place("away")
    url = f"grpc://127.0.0.1:{free_port()}"
    there = it.build("there", url, choice={"timeout": 1})
    (warned,) = it.of(Warned)
    assert warned.message.startswith(f"{url}: ")
    assert warned.message.endswith("the build goes on without it")
    assert digest_of(there) == digest_of(it.build("here"))

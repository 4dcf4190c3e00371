"""Actions that a build service's workers execute: the same bytes, errors and words as here, whatever dies meanwhile."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hermes import SecretSource
from hermes.engine.events import ActionFinished, ActionMoved, ActionPrinted, Event, Warned
from hermes.errors import BuildFailed, UsageError
from tests.conftest import run_hermes
from tests.registry.servers import Wire
from tests.remote.cluster import Cluster, free_port
from tests.remote.place import Made, digest_of
from tests.remote.sharing import Calling

RUNS = {"//app:a", "//app:b", "//app:c"}


def test_workers_give_the_digests_of_this_machine(cluster: Cluster, place: Made) -> None:
    it = place("same")
    here = digest_of(it.build("here"))
    there = it.build("there", cluster.url)
    assert digest_of(there) == here
    assert it.elsewhere() == RUNS
    stages = [one.stage for one in it.of(ActionMoved) if one.owner == "//app:a" and one.kind == "run"]
    assert stages[0] == "sending"
    assert "executing" in stages
    assert [one.text for one in it.of(ActionPrinted)] == ["same"]
    again = it.build("fresh", cluster.url)
    assert digest_of(again) == here
    assert it.elsewhere() == set()
    assert not [one for one in again.executed if "run" in one]


def test_a_command_that_fails_there_fails_as_here(cluster: Cluster, place: Made) -> None:
    it = place("fails")
    with pytest.raises(BuildFailed) as here:
        it.build("store", "", "//app:bad")
    with pytest.raises(BuildFailed) as there:
        it.build("store", cluster.url, "//app:bad")
    assert next(one.text for one in it.of(ActionPrinted)).startswith("fails told")
    assert there.value.render() == here.value.render()
    assert it.of(Warned) == []


def test_an_action_that_no_worker_takes_in_time_is_executed_here(cluster: Cluster, place: Made) -> None:
    it = place("queued")
    it.root.write("hermes.yaml", 'remote: {platform: {OSFamily: linux, hermes: "1", hermes-ids: none}}\n')
    there = it.build("there", cluster.url, "//app:a", choice={"queue_timeout": 1})
    assert it.elsewhere() == set()
    (warned,) = it.of(Warned)
    assert "no worker took it within 1 s" in warned.message
    assert "OSFamily=linux, hermes=1, hermes-ids=none; actions of kind run are executed" in warned.message
    assert digest_of(there) == digest_of(it.build("here", "", "//app:a"))
    with pytest.raises(BuildFailed, match="no worker took it within 1 s"):
        it.build("refused", cluster.url, "//app:a", choice={"queue_timeout": 1, "local_fallback": False})


def test_a_secret_stays_on_this_machine(
    cluster: Cluster, place: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = place("secret")
    value = "Zx7-not-for-others-Qq"
    monkeypatch.setenv("IT", value)
    it.root.write("app/file", f"a file with {value} in it")
    it.build("store", cluster.url, "//app:hidden", "//app:b", secrets=[SecretSource.parse("id=it,env=IT")])
    assert it.elsewhere() == {"//app:a"}
    found = [name for name, path in cluster.blobs().items() if value.encode() in path.read_bytes()]
    found += [str(path) for path in cluster.folder.glob("*.log") if value.encode() in path.read_bytes()]
    found += [
        str(path)
        for path in (cluster.folder / "pg").rglob("*")
        if path.is_file() and value.encode() in path.read_bytes()
    ]
    assert found == []


def test_a_killed_worker_and_a_server_that_starts_again_change_nothing(cluster: Cluster, place: Made) -> None:
    it = place("killed", seconds=2)
    here = digest_of(it.build("here"))
    third = cluster.worker("three")

    def kill(event: Event) -> None:
        if isinstance(event, ActionMoved) and event.stage == "executing" and cluster.restarts == 0:
            cluster.restarts = 1
            third.send_signal(signal.SIGKILL)
            cluster.kill_server()
            cluster.start()

    it.events = Calling(kill)
    there = it.build("there", cluster.url)
    assert cluster.restarts == 1
    assert digest_of(there) == here
    assert it.elsewhere() == RUNS


def test_what_the_storage_has_lost_is_sent_and_made_again(cluster: Cluster, place: Made) -> None:
    it = place("lost")
    here = digest_of(it.build("here"))
    it.build("one", cluster.url, "//app:a")
    for path in cluster.blobs().values():
        path.unlink()
    there = it.build("two", cluster.url)
    assert digest_of(there) == here
    assert it.elsewhere() == RUNS
    assert it.of(Warned) == []


def test_inputs_that_go_while_a_build_runs_are_sent_again(cluster: Cluster, place: Made) -> None:
    it = place("gone")
    here = digest_of(it.build("here"))
    gone: list[str] = []

    def lose(event: Event) -> None:
        if (
            isinstance(event, ActionFinished)
            and event.owner == "//app:a"
            and event.kind == "run"
            and not gone
        ):
            for name, path in cluster.blobs().items():
                path.unlink()
                gone.append(name)

    it.events = Calling(lose)
    assert digest_of(it.build("there", cluster.url)) == here
    assert gone
    assert it.elsewhere() >= {"//app:a", "//app:b"}


def test_two_builds_that_need_one_blob_send_it_once(cluster: Cluster, place: Made) -> None:
    """Two commands on one base: the second build waits while the first one sends that."""
    it = place("once")
    it.root.write("large/file", random.Random(time.time()).randbytes(4 << 20))
    run = 'run_layer(name = "{0}", base = ["//base:root", ":large"], cmd = "echo once > /{0}")\n'
    large = 'files_layer(name = "large", srcs = ["file"], dest = "/in")\n'
    it.root.write("large/BUILD", large + run.format("one") + run.format("other"))
    it.build("store", "", "//large:large", "//base:root")
    wire = Wire(cluster.url.removeprefix("grpc://"))
    wire.pause = 0.03  # between 64 KiB

    def build(label: str) -> None:
        options = ["--remote-executor", f"grpc://{wire.host}", "--no-remote-local-fallback"]
        done = run_hermes("build", label, *options, cwd=it.root.root, home=it.folder / "store")
        assert done.returncode == 0, done.stderr

    with ThreadPoolExecutor() as both:
        list(both.map(build, ("//large:one", "//large:other")))
    wire.close()
    assert 4 << 20 < wire.up < 7 << 20, "the base of commands may be sent as well"


def test_without_a_service_actions_are_executed_here(place: Made) -> None:
    """One warning says so; or it is an error, where that is wanted."""
    it = place("away")
    here = digest_of(it.build("here"))
    url = f"grpc://127.0.0.1:{free_port()}"
    choice = {"timeout": 1}
    assert digest_of(it.build("there", url, choice=choice)) == here
    (warned,) = it.of(Warned)
    assert warned.message.startswith(f"{url}: ")
    assert warned.message.endswith("actions are executed on this machine")
    with pytest.raises(BuildFailed, match=re.escape(url)) as refused:
        it.build("other", url, choice={**choice, "local_fallback": False})
    assert (
        "--remote-local-fallback" in refused.value.render() or "check the address" in refused.value.render()
    )


@pytest.mark.parametrize("falls_back", [True, False], ids=["here", "not-here"])
def test_a_service_that_goes_for_good_is_one_warning_or_one_error(
    cluster: Cluster, place: Made, falls_back: bool
) -> None:
    it = place(f"for-good-{falls_back}", seconds=1)
    here = digest_of(it.build("here"))

    def kill(event: Event) -> None:
        if isinstance(event, ActionMoved) and event.stage == "executing":
            cluster.kill_server()

    it.events = Calling(kill)
    choice = {"timeout": 2, "local_fallback": falls_back, "cache": cluster.url}
    try:
        if falls_back:
            assert digest_of(it.build("there", cluster.url, choice=choice)) == here
        else:
            with pytest.raises(BuildFailed, match=r"--remote-local-fallback|check the address") as refused:
                it.build("there", cluster.url, choice=choice)
            assert len(refused.value.render().splitlines()) < 10
    finally:
        cluster.start()
    assert it.elsewhere() == set()
    ends = {one.message.rpartition("; ")[2] for one in it.of(Warned)}
    assert ends == {"the build goes on without it", "actions are executed on this machine"} or not falls_back
    assert len(it.of(Warned)) == len(ends)


def test_an_interrupted_build_ends_and_its_actions_are_cancelled(cluster: Cluster, place: Made) -> None:
    """The worker is free for the next build, although the command would have slept for long."""
    it = place("interrupted", seconds=40)
    before = int(cluster.query("select count(*) from jobs where cancelled"))
    command = [sys.executable, "-m", "hermes", "build", "//app:a", "--remote-executor", cluster.url]
    events = it.folder / "events"
    said = it.folder / "said"
    with open(said, "wb") as file:
        build = subprocess.Popen(
            [*command, "--events", str(events)],
            cwd=it.root.root,
            env={**os.environ, "HERMES_HOME": str(it.folder / "there")},
            stderr=file,
        )
    while '"executing"' not in (events.read_text() if events.exists() else ""):
        time.sleep(0.05)
        assert build.poll() is None
    build.send_signal(signal.SIGINT)
    assert build.wait(60) == 130
    assert "interrupted" in said.read_text()
    assert "Traceback" not in said.read_text()
    assert not list((it.folder / "there/tmp").iterdir())
    assert cluster.query("select count(*) from jobs where cancelled") == str(before + 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http://a:1", "is not the address of a remote service"),
        ("grpc://a:99999", "is not the address of a remote service"),
        ("grpc://", "is not the address of a remote service"),
        ("unix:", "names no socket"),
    ],
)
def test_an_address_that_is_none_is_refused(place: Made, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        place("address").build("store", text)

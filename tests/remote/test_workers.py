"""What workers can do, what they keep, and how they end; and those that cannot do what they are given."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hermes.actions import packed
from hermes.engine.events import ActionFinished, ActionMoved, Event, Warned
from hermes.sandbox.architectures import ARCHITECTURES
from hermes.sandbox.emulators import emulator_of
from tests.conftest import run_hermes
from tests.integration.conftest import ONE_ID_USER
from tests.programs import program_of
from tests.remote.cluster import Cluster
from tests.remote.place import Made, Place, digest_of
from tests.remote.sharing import Calling


def ask_for(it: Place, cluster: Cluster, ids: str, *, fallback: bool = False) -> None:
    """Have actions executed only by workers that offer ``hermes-ids=IDS``, and never here, but with ``fallback``."""
    it.root.write(
        "hermes.yaml",
        f"remote:\n  executor: {cluster.url}\n  local_fallback: {str(fallback).lower()}\n"
        f'  platform: {{OSFamily: linux, hermes: "1", hermes-ids: {ids}}}\n',
    )


def test_a_worker_that_is_asked_to_stop_ends_what_it_has_begun(cluster: Cluster, place: Made) -> None:
    it = place("stopped", seconds=2)
    ask_for(it, cluster, "four")
    worker = cluster.worker("four", "--property", "hermes-ids=four")

    def stop(event: Event) -> None:
        if isinstance(event, ActionMoved) and event.stage == "executing":
            threading.Timer(1, worker.send_signal, (signal.SIGTERM,)).start()

    it.events = Calling(stop)
    it.build("there", "", "//app:a")
    assert it.elsewhere() == {"//app:a"}
    assert worker.wait(60) == 0
    assert cluster.log("four").endswith("stopping\n")
    terminating = "4"  # BOT_TERMINATING of the Bots API
    assert cluster.query("select bot_status from bots where bot_id = 'four-0'") == terminating


def test_a_machine_that_cannot_run_commands_is_no_worker(cluster: Cluster, tmp_path: Path) -> None:
    """Without user namespaces it says so at once, instead of failing what it is given."""
    limit = "echo 0 > /proc/sys/user/max_user_namespaces"
    script = f'{limit} && exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$@"'
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", script, "sh", sys.executable, "-m", "hermes", "worker", cluster.url],
        env={**os.environ, "HERMES_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: this machine cannot execute actions: no user namespace can be made here"
    )
    assert "user.max_user_namespaces" in done.stderr


def test_other_commands_are_not_executed_by_a_worker(cluster: Cluster, tmp_path: Path) -> None:
    """Whoever may use the service gets what Hermes can do in its sandbox, and no shell of the worker."""
    from hermes.remote.cas import Cas
    from hermes.remote.channel import Channel, Failed
    from hermes.remote.execution import Execution, Job, blob_of
    from hermes.remote.settings import USUAL_PLATFORM, RemoteSettings

    channel = Channel(RemoteSettings(executor=cluster.url).address())
    try:
        execution = Execution(channel, Cas(channel))
        proof = tmp_path / "proof"
        job = Job(("touch", str(proof)), {"a": blob_of(b"a")}, "out", USUAL_PLATFORM)
        with pytest.raises(Failed, match="executes `hermes execute-action` only"):
            execution.run(job, lambda stage: None)
        assert not proof.exists()
    finally:
        channel.close()


def test_a_worker_executes_as_many_at_once_as_it_may(cluster: Cluster, place: Made) -> None:
    it = place("jobs", seconds=1.5)
    ask_for(it, cluster, "jobs")
    cluster.worker("jobs", "--property", "hermes-ids=jobs", "--jobs", "2")
    running, most = set(), [0]

    def count(event: Event) -> None:
        if isinstance(event, ActionMoved) and event.stage == "executing":
            running.add(event.id)
            most.append(len(running))
        elif isinstance(event, ActionFinished):
            running.discard(event.id)

    it.events = Calling(count)
    it.build("there", "", "//app:a", "//app:c")
    assert it.elsewhere() == {"//app:a", "//app:c"}
    assert max(most) == 2


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder, some of which are being removed."""
    found = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found += path.lstat().st_size
    return found


def test_a_worker_keeps_its_store_below_a_size(cluster: Cluster, place: Made) -> None:
    """It looks when it starts, and fetches again what it has removed."""
    it = place("size")
    ask_for(it, cluster, "size")
    offers = ("--property", "hermes-ids=size")
    blobs = cluster.folder / "worker-size/blobs"
    first = cluster.worker("size", *offers)
    it.build("one", "", "//app:a")
    first.terminate()
    assert first.wait(60) == 0
    assert size_of(blobs) > 100_000
    cluster.worker("size", *offers, "--max-size", "100K")
    end = time.monotonic() + 60
    while size_of(blobs) > 100_000:
        assert time.monotonic() < end, cluster.log("size")
        time.sleep(0.05)
    it.build("one", "", "//app:b")
    assert it.elsewhere() == {"//app:b"}


def test_commands_of_another_architecture_go_to_workers_that_emulate_it(
    cluster: Cluster, place: Made
) -> None:
    if emulator_of(next(one for one in ARCHITECTURES if one.name == "arm64"), {}) is None:
        pytest.skip("the Debian package qemu-user-static is not installed")
    it = place("foreign")
    it.root.write(
        "BUILD",
        'files_layer(name = "files", files = {"/it": "it"})\nrun_layer(name = "ran", base = [":files"], argv = ["/it"])\n',
    )
    it.root.write("it", program_of("arm64"), mode=0o755)
    arm = {"platform": "linux/arm64"}
    here = digest_of(it.build("here", cluster.url, "//:ran", **arm))
    assert it.elsewhere() == set(), "nobody has said that workers execute them"
    it.root.write(
        "hermes.yaml",
        f"remote: {{executor: '{cluster.url}', local_fallback: false, architectures: [aarch64]}}\n",
    )
    cluster.worker("emulates", "--emulate", "arm64")
    there = it.build("there", "", "//:ran", **arm)
    assert it.elsewhere() == {"//:ran"}
    assert digest_of(there) == here


def test_an_emulator_that_is_not_there_is_not_offered(cluster: Cluster, tmp_path: Path) -> None:
    """There is none at all for WebAssembly."""

    def said(architecture: str) -> str:
        done = run_hermes(
            "worker", cluster.url, "--emulate", architecture, cwd=tmp_path, home=tmp_path / "home"
        )
        assert done.returncode != 0
        assert done.stdout == ""
        return done.stderr

    assert said("wasm").startswith(
        "error: this machine cannot execute actions for wasm: it has no emulator for them\nhint: "
    )
    assert "'linux/vax' is not a platform" in said("vax")


def test_what_a_worker_with_one_id_cannot_do_is_done_here(cluster: Cluster, place: Made) -> None:
    it = place("one-id")
    it.root.write(
        "app/BUILD",
        'run_layer(name = "own", base = ["//base:root"], cmd = "chown 33:34 /srv")\n'
        'run_layer(name = "other", base = ["//base:root"], cmd = "echo one-id > /srv/it")\n',
    )
    here = digest_of(it.build("here", "", "//app:own"))
    ask_for(it, cluster, "one", fallback=True)
    cluster.worker("one-id", user=ONE_ID_USER)
    cluster.wait_for("one-id")
    assert "hermes-ids=one" in cluster.log("one-id")
    it.build("there", "", "//app:other")
    assert it.elsewhere() == {"//app:other"}
    there = it.build("there", "", "//app:own")
    assert it.elsewhere() == set()
    (warned,) = it.of(Warned)
    assert "cannot execute actions of kind run" in warned.message
    assert digest_of(there) == here


def test_a_worker_of_another_version_leaves_actions_to_the_build(
    cluster: Cluster, place: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = place("schema")
    here = digest_of(it.build("here", "", "//app:a"))
    monkeypatch.setattr(packed, "SCHEMA", 9)
    there = it.build("there", cluster.url, "//app:a")
    assert it.elsewhere() == set()
    (warned,) = it.of(Warned)
    assert "the action is packed in schema 9, and this version of Hermes knows 1" in warned.message
    assert digest_of(there) == here

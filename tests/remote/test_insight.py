"""What people are told of remote services: who did what of a build, and what `hermes doctor` finds out by trying."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from hermes.engine.events import BytesMoved
from tests.conftest import run_hermes
from tests.remote.cluster import Cluster, free_port
from tests.remote.sharing import Made

if TYPE_CHECKING:
    from pathlib import Path


def test_a_build_says_who_did_what_of_it(cluster: Cluster, sharing: Made) -> None:
    it = sharing("told-who")
    options = ["--remote-cache", cluster.url, "--remote-executor", cluster.url, "--progress", "plain"]
    first = run_hermes("build", "//app:image", *options, cwd=it.root.root, home=it.folder / "first")
    told = re.search(
        r"actions: (\d+) executed here, (\d+) there; 0 cached here, 0 there; [0-9.]+ MiB sent,", first.stderr
    )
    assert told is not None, first.stderr
    assert int(told[2]) >= 2, "the commands"
    again = run_hermes("build", "//app:image", *options, cwd=it.root.root, home=it.folder / "fresh")
    assert (
        f"actions: 0 executed here, 0 there; 0 cached here, {sum(map(int, told.groups()))} there; "
        in again.stderr
    )
    it.build("lean", cluster.url, choice={"download": "minimal"})
    (lean,) = it.of(BytesMoved)
    assert lean.up == 0
    assert 0 < lean.down < 20_000


def test_the_doctor_has_a_worker_execute_a_command(cluster: Cluster, tmp_path: Path) -> None:
    options = ["--remote-cache", cluster.url, "--remote-executor", cluster.url]
    done = run_hermes("doctor", "--json", *options, cwd=tmp_path, home=tmp_path / "home")
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert found["remote command"]["state"] == "ok", found
    assert [found[name]["state"] for name in ("remote cache", "remote executor", "remote command")] == [
        "ok"
    ] * 3
    assert found["remote cache"]["detail"].startswith(
        f"{cluster.url}: results may be written, no compression"
    )
    assert found["remote command"]["detail"].startswith("`true` on ")


def test_the_doctor_says_what_is_wrong_with_a_service(tmp_path: Path) -> None:
    url = f"grpc://127.0.0.1:{free_port()}"
    options = ["--remote-executor", url, "--remote-timeout", "1"]
    done = run_hermes("doctor", "--json", *options, cwd=tmp_path, home=tmp_path / "home")
    (found,) = (one for one in json.loads(done.stdout) if one["name"].startswith("remote"))
    assert found["state"] == "limited"
    assert found["detail"].startswith(f"{url}: ")
    assert "check the address" in found["hint"]

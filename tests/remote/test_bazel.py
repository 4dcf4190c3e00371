"""Bazel on the same service, before and after Hermes: an independent client, to which it is an ordinary cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.remote.cluster import Cluster
from tests.remote.place import Made, digest_of

ALL = os.environ.get("HERMES_TEST_PEERS") in ("all", "every")


@pytest.mark.skipif(not ALL, reason="HERMES_TEST_PEERS=all starts Bazel, which takes 20 s")
def test_bazel_shares_the_service(cluster: Cluster, place: Made, tmp_path: Path) -> None:
    bazel = shutil.which("bazel")
    if bazel is None:
        pytest.skip("the Debian package bazel-bootstrap is not installed")
    root = tmp_path / "bazel"
    root.mkdir()
    (root / "WORKSPACE").touch()
    (root / "BUILD").write_text("genrule(name = 'g', outs = ['g.txt'], cmd = 'echo made by bazel > $@')\n")

    def build(base: str) -> str:
        command = [bazel, f"--output_user_root={tmp_path}/{base}", "build", "--color=no", "//:g"]
        command += [f"--remote_cache={cluster.url}"]
        try:
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        finally:
            stop = [bazel, f"--output_user_root={tmp_path}/{base}", "shutdown"]
            subprocess.run(stop, cwd=root, check=False, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "remote cache hit" not in build("before")
    it = place("beside-bazel")
    here = digest_of(it.build("here"))
    assert digest_of(it.build("there", cluster.url)) == here
    assert "1 remote cache hit" in build("after")
    assert (root / "bazel-bin/g.txt").read_text() == "made by bazel\n"
    assert digest_of(it.build("again", cluster.url)) == here
    assert it.elsewhere() == set()

"""``hermes build --verify``: what is not the same twice is an error that names the first path that differs."""

from __future__ import annotations

import json

from tests.conftest import Sandbox
from tests.integration.conftest import add_base

BUILD = """
run_layer(name = "same", base = ["//base:root"], cmd = "echo same > /a; mkfifo /c")
run_layer(name = "random", base = ["//base:root"], cmd = "echo same > /a; cat /proc/sys/kernel/random/uuid > /id")
image(name = "image", layers = ["//base:root", ":same"])
image(name = "other", layers = ["//base:root", ":random"])
"""


def test_what_is_not_the_same_twice_is_named(workspace: Sandbox) -> None:
    add_base(workspace)
    workspace.write("app/BUILD", BUILD)
    digest = workspace.digest("//app:image")
    verified = workspace.run("build", "--verify", "--json", "//app:image")
    assert verified.returncode == 0, verified.stderr
    assert digest in json.dumps(json.loads(verified.stdout))
    for _ in ("nothing is known", "a result is known"):
        failed = workspace.run("build", "--verify", "-k", "//app:image", "//app:other")
        assert failed.returncode == 1
        assert (
            "app/BUILD:3:1: //app:random: the run action is not reproducible: it gave something else than before: "
            "/id differs in digest" in failed.stderr
        ), failed.stderr
        assert "//app:same" not in failed.stderr.split("error:")[1]
        assert workspace.run("build", "//app:other").returncode == 0

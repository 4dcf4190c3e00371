"""What `hermes cache gc` leaves of layers that are in a registry only: as much as is needed to fetch them."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.conftest import Sandbox
from tests.registry.servers import Registry, Wire
from tests.registry.test_lazy_bases import BIG, app, base
from tests.registry.test_push_and_pull import digest_of, ok

__all__ = ["app", "base"]


def notes(sandbox: Sandbox) -> int:
    """How many files say where blobs are."""
    found = [name for name in os.listdir(sandbox.home / "toc") if name.endswith(".foreign")]
    return len(found) + len(os.listdir(sandbox.home / "places"))


def collected(sandbox: Sandbox) -> None:
    ok(sandbox.run("cache", "gc", "--max-size", "0"))


def test_what_output_folders_link_can_still_be_fetched(app: Sandbox, wire: Wire, registry: Registry) -> None:
    digest = app.digest("//app:image")
    collected(app)
    assert notes(app) == 4
    assert ok(app.run("push", "-q", "//app:image", f"docker://{wire.host}/app:v")) == digest
    assert digest_of(f"docker://{registry.host}/app:v") == digest
    assert wire.down < BIG
    ok(app.run("build", "-q", "//app:image", "-o", "oci:whole:v"))
    assert wire.down > BIG


def test_what_nothing_needs_goes_and_comes_back(app: Sandbox, wire: Wire) -> None:
    digest = app.digest("//app:image")
    shutil.rmtree(app.root / "hermes-out")
    collected(app)
    assert notes(app) == 0
    assert app.digest("//app:image") == digest
    assert notes(app) >= 4
    assert wire.down < BIG


def test_a_container_keeps_what_it_was_not_run_on_yet(app: Sandbox, base: str, wire: Wire) -> None:
    name = ok(app.run("ctr", "from", f"docker://{wire.host}/base:1"))
    collected(app)
    assert notes(app) == 4
    assert ok(app.run("ctr", "run", name, "--", "ls", "/srv")) == "big"
    ok(app.run("ctr", "rm", name))
    collected(app)
    assert notes(app) == 0


@pytest.mark.parametrize("command", ["copy", "run"])
def test_a_name_keeps_what_was_not_needed_yet(app: Sandbox, wire: Wire, base: str, command: str) -> None:
    app.write("context/Dockerfile", f"FROM {wire.host}/base:1\nLABEL a=b\n")
    ok(app.run("bud", "-q", "-t", "named", "context"))
    ok(app.run("rmi", f"{wire.host}/base:1"))
    collected(app)
    assert notes(app) == 4
    assert wire.down < BIG
    if command == "copy":
        ok(app.run("copy", "named", "oci:whole:v"))
    else:
        assert ok(app.run("run", "--entrypoint", "ls", "named", "--", "/srv")) == "big"
    ok(app.run("rmi", "--all"))
    collected(app)
    assert notes(app) == 0

"""Small commands are as quick as what they load is little: which modules they must do without.

Python names every module that a process loads, and those that it forks; no time is looked at.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.conftest import Sandbox

HEAVY = {
    *("asyncio", "concurrent.futures", "email", "http", "http.client", "importlib.metadata", "logging"),
    *("multiprocessing", "ssl", "subprocess", "tarfile", "xml", "zipfile"),
    *("networkx", "pysequoia", "requests", "rich", "yaml"),
    *("hermes.api.workspace", "hermes.layer.importing", "hermes.registry.client", "hermes.transports.oci"),
}
"""What no small command has a use for."""

DATABASE = {"diskcache", "random", "sqlite3", "tempfile", "hermes.store.results"}
NAMESPACE = {"ctypes", "socket", "hermes.sandbox.syscalls"}
COMMANDS = {"hermes.container.inside.copying", "hermes.container.task", "hermes.sandbox.bubblewrap"}
BUILDS = {"hermes.build.incremental", "hermes.build.options", "hermes.engine.events"}
LAYERS = {"zstandard", "hermes.layer.encodings", "hermes.layer.write"}


def loaded_by(sandbox: Sandbox, *arguments: str) -> set[str]:
    """Run a command, and return the modules that it loaded with an ``import``."""
    done = sandbox.run(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    found = {row.rpartition("|")[2].strip() for row in rows}
    assert {"click", "hermes.store"} <= found
    return found


@pytest.fixture
def named(based: Sandbox) -> Sandbox:
    """A workspace with an image called base, and a container of it, c, in which a command has run."""
    for arguments in (
        ["from", "--name", "first", "//base:root"],
        ["commit", "first", "base"],
        ["from", "--name", "c", "base"],
        ["run", "c", "--", "true"],
    ):
        assert based.run("ctr", *arguments).returncode == 0
    return based


def test_from_loads_nothing_that_runs_commands_or_writes_layers(named: Sandbox) -> None:
    found = loaded_by(named, "ctr", "from", "base")
    assert sorted(found & (HEAVY | DATABASE | NAMESPACE | COMMANDS | LAYERS | BUILDS)) == []


def test_run_loads_nothing_that_writes_layers(named: Sandbox) -> None:
    found = loaded_by(named, "ctr", "run", "c", "--", "true")
    assert {"hermes.container.task", *NAMESPACE} <= found
    assert sorted(found & (HEAVY | DATABASE | LAYERS | {"hermes.layer.diff"})) == []


def test_commit_loads_what_writes_layers_where_something_changed(named: Sandbox) -> None:
    unchanged = loaded_by(named, "ctr", "commit", "c", "same")
    assert "hermes.layer.diff" in unchanged
    assert sorted(unchanged & (HEAVY | DATABASE | COMMANDS | {"zstandard", "hermes.layer.write"})) == []
    assert named.run("ctr", "run", "c", "--", "touch", "/srv/f").returncode == 0
    changed = loaded_by(named, "ctr", "commit", "c", "changed")
    assert changed >= LAYERS
    assert sorted(changed & (HEAVY | DATABASE | COMMANDS)) == []


def test_a_dockerfile_with_nothing_to_do_loads_nothing_that_does_it(workspace: Sandbox) -> None:
    workspace.write("Dockerfile", "FROM scratch\nCOPY src /srv\n")
    workspace.write("src/f", "text")
    time.sleep(0.03)  # what is as new as the build is looked at again
    assert workspace.run("bud", "-t", "made", ".").returncode == 0
    again = loaded_by(workspace, "bud", "-q", "-t", "made", ".")
    assert (
        sorted(again & (HEAVY | DATABASE | NAMESPACE | COMMANDS | LAYERS | {"hermes.dockerfile.parse"})) == []
    )
    os.utime(workspace.root / "src/f")
    touched = loaded_by(workspace, "bud", "-q", "-t", "made", ".")
    assert DATABASE - {"hermes.store.results"} <= touched
    assert sorted(touched & (HEAVY | NAMESPACE | COMMANDS | {"hermes.layer.write"})) == []

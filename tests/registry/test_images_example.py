"""examples/images: what is fetched, imported, built for two platforms, pushed, and built on."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import ROOT, Sandbox
from tests.integration.conftest import OrdinaryUser, ordinary_user
from tests.registry.servers import Registry
from tests.registry.test_push_and_pull import ok

__all__ = ["ordinary_user"]

PACKAGE = "examples/images"


@pytest.mark.network
def test_the_example_is_one_image_for_root_and_an_ordinary_user(
    workspace: Sandbox, ordinary_user: OrdinaryUser, registry: Registry
) -> None:
    for one in (workspace, ordinary_user.workspace):
        shutil.copytree(ROOT / PACKAGE, one.root / PACKAGE)
        build = one.root / PACKAGE / "BUILD"
        build.write_text(build.read_text().replace("registry.example.org", registry.host))
    every = (f"//{PACKAGE}:all", f"//{PACKAGE}:extended")
    made = workspace.build(every[0]).targets
    assert made[f"//{PACKAGE}:platforms"][0].kind == "index"
    assert ok(workspace.run("run", "-q", f"//{PACKAGE}:image")) == "The MIT License (MIT)"
    assert ok(workspace.run("run", "-q", f"//{PACKAGE}:portable")) == "x86_64"
    ok(workspace.run("push", "-q", f"//{PACKAGE}:push"))
    made = workspace.build(*every).targets
    assert workspace.build(*every).executed == ()
    assert ok(workspace.run("run", "-q", f"//{PACKAGE}:extended")) == "The MIT License (MIT)"
    ordinary_user.take_files(workspace)
    said = ordinary_user.run("build", "--json", *every).stdout
    assert [one for outputs in made.values() for one in outputs if one.digest not in said] == []

"""BUILD.example, the tour of BUILD files, and the examples build and run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT, Sandbox

if TYPE_CHECKING:
    from tests.integration.conftest import OrdinaryUser

TOUR = Path(__file__).parent / "tour"


@pytest.fixture
def tour(workspace: Sandbox) -> Sandbox:
    shutil.copytree(TOUR, workspace.root / "tour")
    shutil.copy(ROOT / "BUILD.example", workspace.root / "tour" / "BUILD")
    return workspace


@pytest.mark.network
def test_every_target_of_the_tour_builds(tour: Sandbox, ordinary_user: OrdinaryUser) -> None:
    targets = tour.build("//...").targets
    assert tour.build("//...").executed == ()
    shutil.copytree(tour.root / "tour", ordinary_user.workspace.root / "tour")
    ordinary_user.take_files(tour)
    said = ordinary_user.run("build", "--json", "//...").stdout
    assert [one for outputs in targets.values() for one in outputs if one.digest not in said] == []
    assert {"//tour:image", "//tour:debuggable", "//tour:hello-image", "//tour:bundle"} <= set(targets)
    assert targets["//tour:latest"][0].digest == targets["//tour:image"][0].digest


@pytest.mark.network
def test_the_images_of_the_tour_run(tour: Sandbox) -> None:
    assert tour.run("run", "//tour:image").stdout == "Hello, world, from 1000\n"
    assert tour.run("run", "//tour:image", "--", "Ada").stdout == "Hello, Ada, from 1000\n"
    assert tour.run("run", "//tour:extended").stdout == "Hello, everybody, from 1000\n"
    done = tour.run("run", "//tour:hello-image")
    assert done.stdout == "This is hello.\n", done.stderr


@pytest.mark.network
def test_a_value_on_the_command_line_chooses_another_file(tour: Sandbox) -> None:
    show = ("run", "--entrypoint", "busybox", "//tour:debuggable", "cat", "/etc/app.conf")
    assert tour.run(*show).stdout == "mode = plain\n"
    assert tour.run(*show[:1], "--set", "flavor=debug", *show[1:]).stdout == "mode = debug\nlevel = 9\n"


@pytest.mark.network
@pytest.mark.parametrize("package", ["hello", "host-tools", "programs", "roots"])
def test_the_examples_give_root_and_an_ordinary_user_one_image(
    workspace: Sandbox, ordinary_user: OrdinaryUser, package: str
) -> None:
    every = f"//examples/{package}/..."
    for one in (workspace, ordinary_user.workspace):
        shutil.copytree(ROOT / "examples" / package, one.root / "examples" / package)
    built = workspace.build(every).targets
    images = {label: outputs for label, outputs in built.items() if outputs and outputs[0].kind == "image"}
    assert images
    for label in images:
        done = workspace.run("run", label)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert workspace.build(every).executed == ()
    ordinary_user.take_files(workspace)
    said = ordinary_user.run("build", "--json", every).stdout
    assert all(one.digest in said for outputs in images.values() for one in outputs)
    tested = ordinary_user.run("test", every, check=False)
    assert tested.returncode == (0 if package in ("hello", "programs") else 4), tested.stdout


@pytest.mark.network
def test_the_dockerfiles_of_the_examples_build_and_run(workspace: Sandbox) -> None:
    package = "examples/dockerfiles"
    shutil.copytree(ROOT / package, workspace.root / package)
    workspace.build(f"//{package}/...")
    said = {
        "python": "Hello, world!\n",
        "node": "HELLO FROM NODE!\n",
        "static": "hello world, from a static program (1.0)\n",
        "cached": "3 words\n",
        "onbuild/app": "about.html index.html\n",
    }
    assert {name: workspace.run("run", f"//{package}/{name}").stdout for name in said} == said
    assert workspace.build(f"//{package}/...").executed == ()
    bases = ("python:3.11-slim=python", "node:18-slim=node", "gcc:12=gcc")
    digests = {}
    for name in ("python", "node", "static", "cached"):
        given = [f"--build-context={base.replace('=', f'=//{package}/bases:')}" for base in bases]
        digest = workspace.run("bud", "-q", *given, f"{package}/{name}", "--build-arg", "VERSION=1.0").stdout
        digests[name] = digest.strip()
        assert workspace.run("inspect", f"//{package}/{name}").stdout.count(digest.strip()) == 1, name
        migrated = workspace.run(
            "migrate",
            f"{package}/{name}/Dockerfile",
            *given,
            "-o",
            f"{package}/{name}/BUILD",
            "--force",
            "--build-arg",
            "VERSION=1.0",
        )
        assert migrated.returncode == 0, migrated.stderr
        assert workspace.run("run", f"//{package}/{name}:image").stdout == said[name]
    _check_projects(workspace, package, digests)


def _check_projects(workspace: Sandbox, package: str, digests: dict[str, str]) -> None:
    """The compose file and the bake file give the images that their Dockerfiles give."""
    composed = workspace.run("bud", "-q", "--compose", f"{package}/compose.yaml")
    assert composed.returncode == 0, composed.stderr
    assert dict(line.split() for line in composed.stdout.splitlines()) == {
        "greeter": digests["python"],
        "page": digests["node"],
        "tool": digests["static"],
    }
    baked = workspace.run("bud", "-q", "--bake", f"{package}/docker-bake.hcl")
    assert baked.returncode == 0, baked.stderr
    found = dict(line.split() for line in baked.stdout.splitlines())
    assert (found["greeter"], found["tool-1-0"]) == (digests["python"], digests["static"])
    assert workspace.run("run", "examples/tool:2.0").stdout == "hello world, from a static program (2.0)\n"

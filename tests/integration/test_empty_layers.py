"""A layer without entries is in no image, whatever made it, and the history says so, as docker does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Sandbox, run_hermes

BUILD = """
run_layer(name = "nothing", base = ["//base:root"], cmd = "true")
files_layer(name = "a", srcs = ["a.txt"])
image(name = "image", layers = ["//base:root", ":nothing", ":a"])
image(name = "on_it", base = ":image", layers = [":more"])
files_layer(name = "more", srcs = ["more.txt"])
dockerfile_image(name = "docker", dockerfile = "Dockerfile", context = ["more.txt"], contexts = {"base": ":image"})
dockerfile_image(name = "layers", dockerfile = "Dockerfile", context = ["more.txt"], contexts = {"base": ":nothing"})
"""


@pytest.fixture
def app(based: Sandbox) -> Sandbox:
    based.write("app/BUILD", BUILD)
    based.write("app/a.txt", "a")
    based.write("app/more.txt", "more")
    based.write("app/Dockerfile", "FROM base\nCOPY more.txt /\n")
    return based


def documents(home: Path, digest: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and configuration of an image in the store."""
    blobs = home / "blobs/sha256"
    manifest = json.loads((blobs / digest[7:]).read_text())
    return manifest, json.loads((blobs / manifest["config"]["digest"][7:]).read_text())


@pytest.mark.parametrize(
    ("label", "marks"),
    [
        ("image", [False, True, False]),
        ("on_it", [False, True, False, False]),
        ("docker", [False, True, False, False]),
        ("layers", [False, False]),
    ],
)
def test_every_kind_of_image_target_leaves_it_out(app: Sandbox, label: str, marks: list[bool]) -> None:
    manifest, config = documents(app.home, app.digest(f"//app:{label}"))
    assert [bool(row.get("empty_layer")) for row in config["history"]] == marks
    assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == marks.count(False)
    shown = run_hermes("run", f"//app:{label}", "--", "ls", "/bin/sh", cwd=app.root, home=app.home)
    assert shown.stdout == "/bin/sh\n", shown.stderr


def test_a_container_of_layers_leaves_it_out(app: Sandbox) -> None:
    def ctr(*arguments: str) -> str:
        done = run_hermes("ctr", *arguments, cwd=app.root, home=app.home)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    app.build("//app:nothing")
    name = ctr("from", "//app:nothing")
    ctr("copy", name, "app/a.txt", "/a.txt")
    manifest, config = documents(app.home, ctr("commit", name))
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 1


def test_arguments_that_are_not_utf_8_leave_a_readable_history(app: Sandbox) -> None:
    app.build("//base:root")
    name = run_hermes("ctr", "from", "//base:root", cwd=app.root, home=app.home).stdout.strip()
    odd = b"/\xff".decode("utf-8", "surrogateescape")
    for arguments in (("run", name, "--", "touch", odd), ("commit", name, "app:odd")):
        done = run_hermes("ctr", *arguments, cwd=app.root, home=app.home)
        assert done.returncode == 0, done.stderr
    _, config = documents(app.home, done.stdout.strip())
    assert config["history"][-1]["created_by"].endswith("touch '/\ufffd'")

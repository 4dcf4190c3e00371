"""What is completed: packages and targets, images, stages, arguments, services, options' values."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from hermes.cli.main import hermes

BUILD = """
def_name = "made_by_%s" % "name"
files_layer(name = "layer", files = {"/f": "f"})
image(name = "image", layers = [":layer"], tags = ["manual"])
filegroup(name = def_name, srcs = [])
"""
DOCKERFILE = """
ARG VERSION=1
FROM debian:${VERSION} AS build
ARG FLAG OTHER=2
FROM scratch as Final
"""


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "workspace"
    for package in ("app", "app/web", "apple/pie/deep"):
        (root / package).mkdir(parents=True)
        (root / package / "BUILD").write_text(BUILD)
    (root / "hermes.yaml").write_text("ignore: [apparel]\n")
    (root / "apparel/x").mkdir(parents=True)
    (root / "app/.git/hooks").mkdir(parents=True)
    (root / "broken").mkdir()
    (root / "broken/BUILD").write_text("image(")
    (root / "app/Dockerfile").write_text(DOCKERFILE)
    (root / "other.Dockerfile").write_text("FROM x AS alone\n")
    (root / "compose.yaml").write_text("services: {web: {build: .}, worker: {build: .}, db: {image: x}}\n")
    (root / "bad.yaml").write_text("services: [")
    (root / "docker-bake.hcl").write_text('target "app" {\n}\ngroup "default" {\n targets = ["app"]\n}\n')
    (root / "bake.json").write_text('{"target": {"api": {}}}')
    monkeypatch.chdir(root)
    monkeypatch.setenv("HERMES_HOME", str(tmp_path / "home"))
    return root


def completed(line: str) -> list[str]:
    *words, last = line.split(" ")
    complete = BashComplete(hermes, {}, "hermes", "_HERMES_COMPLETE")
    return [
        f"<{one.type}>" if one.type != "plain" else one.value for one in complete.get_completions(words, last)
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("build //", ["//app:", "//app/", "//apple/", "//broken:"]),
        ("build //app", ["//app:", "//app/", "//apple/"]),
        ("build //app/", ["//app/web:"]),
        ("build //apple/pie/", ["//apple/pie/deep:"]),
        ("build //app:", ["//app:image", "//app:layer", "//app:made_by_name"]),
        ("build -k //app/web:im", ["//app/web:image"]),
        ("build //app:image //ap", ["//app:", "//app/", "//apple/"]),
        ("build ap", ["app:", "app/", "apple/"]),
        ("build ./ap", ["./app:", "./app/", "./apple/"]),
        ("build app/web:l", ["app/web:layer"]),
        ("build //broken:", []),
        ("build //nowhere:", []),
        ("build //nowhere/", []),
        ("build //app.:", []),
        ("query //app:l", ["//app:layer"]),
        ("explain //app:l", ["//app:layer"]),
        ("lock //bro", ["//broken:"]),
        ("push //app:i", ["//app:image"]),
        ("run //app:i", ["//app:image"]),
        ("bud --target ", []),
        ("bud app --target ", ["build", "Final"]),
        ("bud -f other.Dockerfile --target a", ["alone"]),
        ("bud app --build-arg ", ["VERSION=", "FLAG=", "OTHER="]),
        ("bud -f ", ["<file>"]),
        ("bud ", ["<dir>"]),
        ("bud --compose compose.yaml w", ["web", "worker"]),
        ("bud --compose bad.yaml w", []),
        ("bud --bake docker-bake.hcl ", ["app", "default"]),
        ("bud --bake bake.json ", ["api"]),
        ("bud --platform linux/amd64,linux/arm6", ["linux/amd64,linux/arm64"]),
        ("build --platform linux/s", ["linux/s390x"]),
        ("build --runtime ", ["bwrap", "crun", "runc"]),
        ("build --progress t", ["tty"]),
        ("build --keep", ["--keep-going"]),
        ("compl", ["completion"]),
        ("ctr comm", ["commit"]),
        ("run nothing", []),
        ("ctr run ", []),
    ],
)
def test_what_is_completed(line: str, found: list[str]) -> None:
    assert completed(line) == found


def test_labels_are_completed_from_the_folder_that_one_is_in(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace / "app")
    assert completed("build ") == [":", "web:"]
    assert completed("build :la") == [":layer"]
    assert completed("build web:la") == ["web:layer"]
    assert completed("build //apple/") == ["//apple/pie/"]


def test_nothing_is_completed_without_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert completed("build //") == []
    assert completed("build :") == []

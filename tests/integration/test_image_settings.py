"""Settings of images that need more than a line of their configuration: checks, files, formats, numbers of layers."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from hermes.errors import BuildFailed, BuildFileError
from tests.conftest import Sandbox

BUILD = """\
files_layer(name = "a", files = {"/a": "a.txt", "/both": "a.txt"})
files_layer(name = "b", files = {"/b": "b.txt"}, symlinks = {"/link": "b"})
files_layer(name = "c", files = {"/c": "c.txt"})
files_layer(name = "clash", files = {"/both": "b.txt"})

image(name = "base", layers = [":a"], env = {"KEPT": "base"})

image(
    name = "checked",
    base = ":base",
    layers = [":b", ":c"],
    env = {"OVER": "target $FROM_FILE"},
    env_file = "variables.env",
    health_check = ["/app", "--check"],
    health_check_options = {"interval": "1m30s", "retries": "3", "start_period": "500ms"},
    labels = {"over": "target"},
    labels_file = ":stamp",
)

write_file(name = "stamp", content = "over=file\\ngit.commit=abc\\n")

image(name = "docker", base = ":base", layers = [":b"], format = "docker", health_check = ["CMD-SHELL", "true"])

image(name = "squashed", base = ":base", layers = [":b", ":c"], squash = True)

image(name = "two", layers = [":a", ":b", ":c"], max_layers = 2)

image(name = "clashing", layers = [":a", ":clash"], squash = True)
"""


def document(workspace: Sandbox, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The manifest and the configuration of an image, as skopeo reads them."""
    layout = f"oci:{workspace.root}/hermes-out/p/{name}"
    found = []
    for options in (["--raw"], ["--config", "--raw"]):
        done = subprocess.run(
            ["skopeo", "inspect", *options, layout], capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout))
    return found[0], found[1]


def test_settings_come_from_files_and_layers_are_merged(workspace: Sandbox) -> None:
    for name in "abc":
        workspace.write(f"p/{name}.txt", name)
    workspace.write("p/variables.env", "# of the tests\nOVER=file\nFROM_FILE=a b=$c\n")
    workspace.write("p/BUILD", BUILD)
    workspace.build(*(f"//p:{one}" for one in ("checked", "docker", "squashed", "two")))
    _, config = document(workspace, "checked")
    assert config["config"]["Env"] == ["KEPT=base", "OVER=target a b=$c", "FROM_FILE=a b=$c"]
    assert config["config"]["Labels"] == {"over": "target", "git.commit": "abc"}
    assert config["config"]["Healthcheck"] == {
        "Test": ["CMD", "/app", "--check"],
        "Interval": 90_000_000_000,
        "Retries": 3,
        "StartPeriod": 500_000_000,
    }
    manifest, config = document(workspace, "docker")
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"
    types = {one["mediaType"] for one in manifest["layers"]}
    assert types == {"application/vnd.docker.image.rootfs.diff.tar.gzip"}
    assert config["config"]["Healthcheck"] == {"Test": ["CMD-SHELL", "true"]}
    assert len(document(workspace, "squashed")[0]["layers"]) == 2
    assert len(document(workspace, "two")[0]["layers"]) == 2
    for name in ("squashed", "two"):
        listed = workspace.run("inspect", "--files", f"//p:{name}").stdout
        assert all(f"/{one}" in listed for one in ("a", "b", "both", "c", "link"))


def test_what_a_target_says_wrongly_of_these_is_one_error(workspace: Sandbox) -> None:
    for name in "abc":
        workspace.write(f"p/{name}.txt", name)
    workspace.write("p/variables.env", "NAME\n")
    for attributes, said in (
        ('health_check = ["NONE", "x"]', "is not a health check"),
        ('health_check = ["a"], health_check_options = {"every": "3s"}', '"every" is not an option'),
        ('health_check = ["a"], health_check_options = {"timeout": "3"}', "invalid duration '3'"),
        ('health_check_options = {"timeout": "3s"}', "has options, and there is no health_check"),
        ("max_layers = 0", "must be at least 1, not 0"),
        ('format = "tar"', 'must be one of "oci", "docker", not "tar"'),
    ):
        workspace.write("p/BUILD", f'image(name = "x", {attributes})\n')
        with pytest.raises(BuildFileError) as caught:
            workspace.build("//p:x")
        assert said in caught.value.render()
    workspace.write("p/BUILD", BUILD)
    for name, said in (
        ("checked", "variables.env: line 1: expected NAME=VALUE, got 'NAME'"),
        ("clashing", "/both: //p:a and //p:clash"),
    ):
        with pytest.raises(BuildFailed) as failed:
            workspace.build(f"//p:{name}")
        assert said in failed.value.render()

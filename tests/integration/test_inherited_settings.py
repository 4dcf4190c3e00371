"""An image drops what it says of its base's configuration, as CMD [] and buildah config --unsetenv do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Sandbox

BASE = """
image(
    name = "base",
    layers = [":l"],
    cmd = ["a"],
    entrypoint = ["/e"],
    env = {"A": "1", "B": "2"},
    labels = {"x": "1", "y": "2"},
    ports = ["80", "53/udp"],
    stop_signal = "SIGINT",
    user = "app",
    volumes = ["/v", "/w"],
)
files_layer(name = "l", files = {"/a": "a"})
"""


def config_of(home: Path, digest: str) -> dict[str, Any]:
    blobs = home / "blobs/sha256"
    manifest = json.loads((blobs / digest[7:]).read_text())
    config: dict[str, Any] = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())["config"]
    return config


@pytest.mark.parametrize(
    ("given", "gone", "left"),
    [
        ("", set(), {"Cmd": ["a"], "Entrypoint": ["/e"], "User": "app", "StopSignal": "SIGINT"}),
        ("cmd = []", {"Cmd"}, {"Entrypoint": ["/e"]}),
        ("entrypoint = []", {"Cmd", "Entrypoint"}, {"User": "app"}),
        ("entrypoint = [], cmd = ['b']", {"Entrypoint"}, {"Cmd": ["b"]}),
        ("user = ''", {"User"}, {"Cmd": ["a"]}),
        ("stop_signal = ''", {"StopSignal"}, {"Cmd": ["a"]}),
        ("unset_env = ['A', 'none']", set(), {"Env": ["B=2"]}),
        ("unset_env = ['*'], env = {'C': '3'}", set(), {"Env": ["C=3"]}),
        ("unset_labels = ['x'], labels = {'z': '3'}", set(), {"Labels": {"y": "2", "z": "3"}}),
        ("unset_ports = ['80']", set(), {"ExposedPorts": {"53/udp": {}}}),
        ("unset_ports = ['*'], ports = ['90']", set(), {"ExposedPorts": {"90/tcp": {}}}),
        ("unset_volumes = ['/w']", set(), {"Volumes": {"/v": {}}}),
    ],
)
def test_what_an_image_unsets_of_its_base_is_gone(
    workspace: Sandbox, given: str, gone: set[str], left: dict[str, Any]
) -> None:
    workspace.write("app/a", "")
    workspace.write("app/BUILD", f'{BASE}\nimage(name = "image", base = ":base", {given})\n')
    config = config_of(workspace.home, workspace.digest("//app:image"))
    assert not gone & {name for name, value in config.items() if value}
    assert {name: config[name] for name in left} == left

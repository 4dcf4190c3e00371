"""Docker's own daemon, reached as its client reaches it: with TLS, and through its ``dial-stdio``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.interop.test_tools import dockerd, output_of
from tests.registry.servers import free_port, make_ca
from tests.registry.test_push_and_pull import ok

pytestmark = pytest.mark.root

NAME = "docker-daemon:shop/app:v1"


@pytest.fixture
def app(workspace: Sandbox) -> Sandbox:
    workspace.write("f", "f")
    workspace.write(
        "BUILD", 'files_layer(name = "l", files = {"/f": "f"})\nimage(name = "image", layers = [":l"])\n'
    )
    return workspace


def check(app: Sandbox, docker: list[str], **env: str) -> None:
    ok(app.run("copy", "//:image", NAME, env=env))
    assert "shop/app:v1" in output_of(*docker, "images", "--format", "{{.Repository}}:{{.Tag}}")
    ok(app.run("pull", NAME, "back", env=env))
    assert ok(app.run("diff", "//:image", "back")) == ""


def test_with_tls(app: Sandbox, short: Path, tmp_path: Path) -> None:
    made = make_ca(tmp_path / "ca")
    options = [
        f"--tlscacert={made['ca.pem']}",
        f"--tlscert={made['server.pem']}",
        f"--tlskey={made['server.key']}",
    ]
    host = f"tcp://127.0.0.1:{free_port()}"
    folder = tmp_path / "certificates"
    folder.mkdir()
    for name, source in {"ca.pem": "ca.pem", "cert.pem": "client.pem", "key.pem": "client.key"}.items():
        (folder / name).symlink_to(made[source])
    env = {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
    with dockerd(short, f"--host={host}", "--tlsverify", *options) as docker:
        check(app, docker, **env)
        said = app.run("pull", NAME, env={"DOCKER_HOST": host}).stderr
        assert "HTTP request to an HTTPS server" in said
        (folder / "cert.pem").unlink()
        (folder / "key.pem").unlink()
        assert "do not trust each other" in app.run("pull", NAME, env=env).stderr


def test_through_ssh(app: Sandbox, docker: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(
        f'#!/bin/sh\nfor last; do :; done\nDOCKER_HOST={docker[1][7:]} exec sh -c "$last"\n'
    )
    (folder / "ssh").chmod(0o755)
    check(app, docker, DOCKER_HOST="ssh://far.example", PATH=f"{folder}:{os.environ['PATH']}")

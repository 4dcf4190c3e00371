"""A plain registry, one with TLS and a password, one with a token server, and images to move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.registry import endpoint
from hermes.registry.client import Client
from tests.conftest import Sandbox
from tests.registry.faulty import FaultyRegistry
from tests.registry.servers import (
    Registry,
    TokenServer,
    Wire,
    docker_registry,
    make_ca,
    make_htpasswd,
    write_auth,
)

BUILD = """
[files_layer(name = "l%d" % n, files = {"/srv/f%d" % n: "f%d" % n}, dirs = ["/srv"]) for n in range(3)]

image(name = "image", layers = [":l0", ":l1", ":l2"], entrypoint = ["/srv/f0"], compression = "gzip")
"""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's own credentials, and no long waits between attempts."""
    monkeypatch.setattr(endpoint, "_FIRST_WAIT", 0.02)
    for name in (
        "XDG_RUNTIME_DIR",
        "DOCKER_CONFIG",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "auth.json").write_text('{"auths": {}}')
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))


@pytest.fixture
def auth_file(tmp_path: Path) -> Path:
    return tmp_path / "auth.json"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry without TLS and passwords."""
    with docker_registry(tmp_path / "registry") as found:
        yield found


@pytest.fixture
def secure(tmp_path: Path, certificates: dict[str, Path], auth_file: Path) -> Iterator[Registry]:
    """A registry with TLS and a password, which is in the credentials file."""
    make_htpasswd(tmp_path / "htpasswd")
    tls = certificates["server.pem"], certificates["server.key"]
    auth = {"htpasswd": {"realm": "test", "path": str(tmp_path / "htpasswd")}}
    with docker_registry(tmp_path / "secure", tls=tls, auth=auth) as found:
        found.ca = certificates["ca.pem"]
        write_auth(auth_file, found.host)
        yield found


@pytest.fixture
def tokens(tmp_path: Path, certificates: dict[str, Path]) -> Iterator[TokenServer]:
    server = TokenServer(tmp_path, certificates["server.key"], certificates["server.pem"])
    with server.web:
        yield server


@pytest.fixture
def guarded(tmp_path: Path, certificates: dict[str, Path], tokens: TokenServer) -> Iterator[Registry]:
    """A registry that wants tokens."""
    auth = {
        "token": {
            "realm": f"http://{tokens.web.host}/token",
            "service": "test registry",
            "issuer": "test",
            "rootcertbundle": str(certificates["server.pem"]),
        }
    }
    with docker_registry(tmp_path / "guarded", auth=auth) as found:
        yield found


@pytest.fixture
def wire(registry: Registry) -> Iterator[Wire]:
    """A wire to the registry, which can be cut."""
    found = Wire(registry.host)
    yield found
    found.close()


@pytest.fixture
def images(workspace: Sandbox) -> Sandbox:
    """A workspace with ``//app:image``, of three layers that do not compress."""
    for number in range(3):
        workspace.write(f"app/f{number}", os.urandom(3_000_000))
    workspace.write("app/BUILD", BUILD)
    return workspace


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    registry = FaultyRegistry()
    with registry.web:
        yield registry


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(jobs=2) as found:
        yield found

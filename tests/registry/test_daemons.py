"""How a Docker daemon is reached, and what is said where it is not. What answers here is no Docker."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.conftest import Sandbox
from tests.registry.servers import Web, make_ca, reply
from tests.registry.test_push_and_pull import ok

NAME = "docker-daemon:shop/app:v1"
SSH = """#!{python}
import json, os, pathlib, socket, sys, threading
pathlib.Path(__file__).with_name("asked").write_text(json.dumps(sys.argv[1:]))
if os.environ.get("SAYS"):
    sys.exit(os.environ["SAYS"])
host, port = os.environ["DAEMON"].split(":")
far = socket.create_connection((host, int(port)))

def pump(read, write, end):
    while data := read():
        write(data)
    end()

back = threading.Thread(target=pump, args=(lambda: far.recv(1 << 16), lambda data: os.write(1, data), lambda: os._exit(0)))
back.start()
pump(lambda: os.read(0, 1 << 16), far.sendall, lambda: far.shutdown(socket.SHUT_WR))
"""


class Daemon:
    """Keeps one image as an archive, which it takes and gives."""

    def __init__(self) -> None:
        self.image = b""

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "POST":
            self.image = handler.rfile.read(int(handler.headers["Content-Length"]))
            del handler.headers["Content-Length"]
            reply(handler, 200, b'{"stream": "Loaded image"}\n')
        elif self.image:
            reply(handler, 200, self.image)
        else:
            reply(handler, 404, b'{"message": "No such image"}')


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


def check(images: Sandbox, env: Mapping[str, str]) -> None:
    """Send an image to a daemon, and have it back."""
    ok(images.run("copy", "//app:image", NAME, env=env))
    assert ok(images.run("pull", NAME, "back", env=env)).startswith("back:latest  sha256:")
    assert ok(images.run("diff", "//app:image", "back")) == ""


def refused(images: Sandbox, env: Mapping[str, str], status: int = 1) -> str:
    done = images.run("pull", NAME, env=env)
    assert (done.returncode, done.stderr.count("error: ")) == (status, 1), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def folder(tmp_path: Path, certificates: dict[str, Path]) -> Path:
    """What a docker client has in ``DOCKER_CERT_PATH``."""
    made = tmp_path / "certificates"
    made.mkdir()
    for name, source in {"ca.pem": "ca.pem", "cert.pem": "client.pem", "key.pem": "client.key"}.items():
        shutil.copy(certificates[source], made / name)
    return made


@pytest.fixture
def secure(certificates: dict[str, Path], daemon: Daemon) -> Iterator[Web]:
    """A daemon that speaks TLS, and wants to know with whom."""
    tls = certificates["server.pem"], certificates["server.key"]
    with Web(daemon, tls=tls, clients=certificates["ca.pem"]) as web:
        yield web


def with_tls(web: Web, folder: Path) -> dict[str, str]:
    return {
        "DOCKER_HOST": f"tcp://{web.host}",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(folder),
    }


def test_without_tls(images: Sandbox, daemon: Daemon) -> None:
    with Web(daemon) as web:
        check(images, {"DOCKER_HOST": f"tcp://{web.host}"})


def test_with_tls_and_a_certificate_of_the_client(images: Sandbox, secure: Web, folder: Path) -> None:
    check(images, with_tls(secure, folder))


def test_certificates_where_docker_has_them(images: Sandbox, secure: Web, folder: Path) -> None:
    env = {"DOCKER_HOST": f"tcp://{secure.host}", "DOCKER_TLS_VERIFY": "1"}
    check(images, {**env, "DOCKER_CONFIG": str(folder)})


def change(name: str, data: str | None) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        if data is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(data)

    return changed


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        (change("ca.pem", None), 2, "No such file"),
        (change("ca.pem", "nonsense"), 2, "cannot be read"),
        (change("key.pem", "nonsense"), 2, "cannot be read"),
        (change("key.pem", None), 2, "No such file"),
        (lambda folder: [one.unlink() for one in folder.glob("[ck]*e*.pem")], 1, "do not trust each other"),
    ],
)
def test_certificates_that_do_not_do(
    images: Sandbox, secure: Web, folder: Path, changed: Callable[[Path], None], status: int, said: str
) -> None:
    changed(folder)
    message = refused(images, with_tls(secure, folder), status)
    assert said in message
    assert "DOCKER_CERT_PATH names" in message


def test_a_daemon_of_another_authority(images: Sandbox, secure: Web, folder: Path, tmp_path: Path) -> None:
    shutil.copy(make_ca(tmp_path / "other")["ca.pem"], folder / "ca.pem")
    assert "do not trust each other: " in refused(images, with_tls(secure, folder))


def test_one_side_speaks_tls(images: Sandbox, secure: Web, folder: Path, daemon: Daemon) -> None:
    assert "broke off" in refused(images, {"DOCKER_HOST": f"tcp://{secure.host}"})
    with Web(daemon) as web:
        assert "does not speak TLS" in refused(images, with_tls(web, folder))


@pytest.mark.parametrize(
    ("host", "status", "said"),
    [
        ("tcp://127.0.0.1:1", 1, "there is no daemon at"),
        ("tcp://no.such.host.invalid", 1, "there is no daemon at"),
        ("unix:///no/such/socket", 1, "there is no daemon at"),
        ("tcp://127.0.0.1:port", 2, "which Hermes cannot reach"),
        ("tcp://[::1", 2, "which Hermes cannot reach"),
        ("ssh://ada:secret@host", 2, "which Hermes cannot reach"),
        ("fd://3", 2, "which Hermes cannot reach"),
        ("host", 2, "which Hermes cannot reach"),
    ],
)
def test_where_no_daemon_is(images: Sandbox, host: str, status: int, said: str) -> None:
    assert said in refused(images, {"DOCKER_HOST": host}, status)


def ssh(folder: Path, web: Web) -> tuple[dict[str, str], Path]:
    """Return an environment with an ssh that leads to ``web``, and where that says what it was asked."""
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(SSH.format(python=sys.executable))
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "DAEMON": web.host}, folder / "asked"


@pytest.mark.parametrize(
    ("host", "options", "there"),
    [
        ("ssh://far.example", [], "docker system dial-stdio"),
        (
            "ssh://ada@far.example:2222/run/other docker.sock",
            ["-l", "ada", "-p", "2222"],
            "docker --host 'unix:///run/other docker.sock' system dial-stdio",
        ),
    ],
)
def test_through_ssh(
    images: Sandbox, daemon: Daemon, tmp_path: Path, host: str, options: list[str], there: str
) -> None:
    with Web(daemon) as web:
        env, asked = ssh(tmp_path / "bin", web)
        check(images, {**env, "DOCKER_HOST": host})
        assert json.loads(asked.read_text()) == [
            *("-o", "ConnectTimeout=30", "-T"),
            *options,
            *("--", "far.example", there),
        ]


def test_an_ssh_that_fails(images: Sandbox, daemon: Daemon, tmp_path: Path) -> None:
    with Web(daemon) as web:
        env = {**ssh(tmp_path / "bin", web)[0], "DOCKER_HOST": "ssh://far.example"}
        said = refused(images, {**env, "SAYS": "ada@far.example: Permission denied (publickey)."})
        assert "cannot be reached: ada@far.example: Permission denied (publickey)." in said
        (tmp_path / "bin/ssh").unlink()
        assert "there is no daemon at ssh://far.example: ssh: No such file" in refused(
            images, {**env, "PATH": str(tmp_path / "bin")}
        )


def test_a_daemon_that_says_no_in_plain_text(images: Sandbox) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 400, b"speak up\n", Content_Type="text/plain; charset=utf-8")

    with Web(answer) as web:
        assert "answered 400: speak up" in refused(images, {"DOCKER_HOST": f"tcp://{web.host}"})

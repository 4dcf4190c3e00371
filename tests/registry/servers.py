"""Registries that really run: Debian's docker-registry, a token server for it, and a wire that counts and breaks."""

from __future__ import annotations

import base64
import http.server
import json
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

FAR = "files.example"
"""A host that is reached by a proxy of a test alone."""

USER, PASSWORD = "ada", "lovelace's engine"


def program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed (tests/packages.sh installs it)")
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Registry:
    """A docker-registry at ``host``, with its data in ``folder``."""

    host: str
    folder: Path
    ca: Path | None = None

    @property
    def blobs(self) -> set[str]:
        """The digests that it stores, in hexadecimal."""
        return {one.parent.name for one in self.folder.glob("data/docker/registry/v2/blobs/sha256/*/*/data")}

    def uploads(self, digest: str) -> int:
        """Into how many repositories a blob was put, sent or mounted."""
        pattern = f"data/docker/registry/v2/repositories/**/_layers/sha256/{digest}/link"
        return len(list(self.folder.glob(pattern)))

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def requests(self, method: str, part: str, status: int | None = None) -> int:
        """Count the requests that its access log has."""
        return sum(
            f'"{method} ' in line and part in line and (status is None or f'HTTP/1.1" {status} ' in line)
            for line in self.log().splitlines()
        )


@contextmanager
def docker_registry(
    folder: Path,
    *,
    tls: tuple[Path, Path] | None = None,
    auth: dict[str, Any] | None = None,
    clients: Path | None = None,
) -> Iterator[Registry]:
    """Run Debian's docker-registry on this machine until the end of the block."""
    binary = program("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": False}, "level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host, "relativeurls": False},
        "validation": {"manifests": {"urls": {"allow": ["^http://127"]}}},
    }
    if tls:
        settings["http"]["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
        if clients:
            settings["http"]["tls"]["clientcas"] = [str(clients)]
    if auth:
        settings["auth"] = auth
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    with (folder / "log").open("wb") as log:
        # What begins with REGISTRY_ is for a client here, and a setting to a docker-registry.
        env = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
        command = [binary, "serve", str(folder / "config.yml")]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
        try:
            for _ in range(200):
                with suppress(OSError), socket.create_connection(host.split(":"), 1):
                    break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
            yield Registry(host, folder)
        finally:
            process.terminate()
            process.wait(10)


def make_ca(folder: Path) -> dict[str, Path]:
    """Make an authority, and certificates of it for this machine (and `FAR`) and for a client; return their files by name."""
    openssl = program("openssl")
    folder.mkdir(parents=True, exist_ok=True)

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-subj", "/CN=test authority", "-days", "2", "-addext", "basicConstraints=critical,CA:TRUE")  # fmt: skip
    for name, extension in (
        ("server", f"subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:{FAR}"),
        ("client", "extendedKeyUsage=clientAuth"),
    ):
        (folder / f"{name}.ext").write_text(extension)
        run(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")  # fmt: skip
    return {one.name: one for one in folder.iterdir()}


def make_htpasswd(path: Path) -> None:
    line = subprocess.run(
        [program("htpasswd"), "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True
    ).stdout
    path.write_text(line.strip() + "\n")


def write_auth(path: Path, host: str, user: str = USER, password: str = PASSWORD, **more: str) -> None:
    """Write a credential as `podman login` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    document = json.loads(path.read_text()) if path.exists() else {"auths": {}}
    document["auths"][host] = {"auth": encoded, **more}
    path.write_text(json.dumps(document))


class Wire:
    """A TCP relay to ``target`` that counts bytes, and cuts connections when told to.

    ``cuts`` says after how many bytes of each of the next connections that carry more to cut: towards the
    registry (``up``) or from it. ``pause``: so many seconds lie between two pieces of 64 KiB.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.up = self.down = 0
        self.cut_up: list[int] = []
        self.cut_down: list[int] = []
        self.pause = 0.0
        self._guard = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.close()
        self._thread.join()

    def _accept(self) -> None:
        self._server.settimeout(0.1)
        while True:
            try:
                near, _ = self._server.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            near.settimeout(None)
            host, port = self.target.split(":")
            far = socket.create_connection((host, int(port)))
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            back = threading.Thread(target=self._pump, args=(far, near, "down"), daemon=True)
            back.start()
            self._pump(near, far, "up")
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        carried = 0
        cuts = self.cut_up if way == "up" else self.cut_down
        with suppress(OSError):
            while data := source.recv(1 << 16):
                with self._guard:
                    setattr(self, way, getattr(self, way) + len(data))
                carried += len(data)
                with self._guard:
                    is_over = bool(cuts) and carried > cuts[0]
                    if is_over:
                        cuts.pop(0)
                if is_over:
                    break
                time.sleep(self.pause)
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Threads(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """End the connections that clients keep, too, and with them their threads."""
        super().server_close()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@dataclass
class Web:
    """An HTTP server of the test's own: ``answer`` is called with each request's handler.

    With ``clients`` it wants certificates of that authority. It listens at ``address``.
    """

    answer: Callable[[http.server.BaseHTTPRequestHandler], None]
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    tls: tuple[Path, Path] | None = None
    clients: Path | None = None
    address: str = "127.0.0.1"

    def __enter__(self) -> Self:
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                web.seen.append((self.command, self.path, dict(self.headers)))
                with suppress(BrokenPipeError, ConnectionResetError):
                    web.answer(self)

            def log_message(self, *arguments: Any) -> None:
                pass

        for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "CONNECT"):
            setattr(Handler, f"do_{method}", Handler.handle_any)
        self._server = _Threads((self.address, 0), Handler)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            if self.clients:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(self.clients)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply(
    handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str
) -> None:
    """Answer a request; names of headers have _ for -."""
    length = int(handler.headers.get("Content-Length") or 0)
    handler.rfile.read(length)
    handler.send_response(status)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in {"Content-Length": str(len(body)), **named}.items():
        if value:
            handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


class TokenServer:
    """Gives tokens, signed as docker-registry wants them, to who has the right credential.

    ``life`` is how many seconds the tokens are good for; ``refresh`` is the identity token that it takes.
    """

    def __init__(self, folder: Path, key: Path, certificate: Path) -> None:
        self.life = 300
        self.refresh = "identity"
        self.given: list[list[str]] = []
        self.posts = 0
        self._key = key
        lines = certificate.read_text().splitlines()
        self._x5c = "".join(line for line in lines if "CERTIFICATE" not in line)
        self.web = Web(self._answer)

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if handler.command == "POST":
            self.posts += 1
            length = int(handler.headers["Content-Length"])
            form = dict(urllib.parse.parse_qsl(handler.rfile.read(length).decode()))
            del handler.headers["Content-Length"]
            if form.get("refresh_token") != self.refresh or form.get("grant_type") != "refresh_token":
                reply(handler, 401, b'{"details": "wrong refresh token"}')
                return
            self._give(handler, form["service"], form["scope"].split(), "access_token")
            return
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        wanted = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        if handler.headers.get("Authorization") != wanted:
            reply(handler, 401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}')
            return
        self._give(handler, query["service"][0], query.get("scope", []), "token")

    def _give(
        self, handler: http.server.BaseHTTPRequestHandler, service: str, scopes: list[str], name: str
    ) -> None:
        self.given.append(scopes)
        now = int(time.time())
        access = []
        for one in scopes:
            kind, path, actions = one.split(":")
            access.append({"type": kind, "name": path, "actions": actions.split(",")})
        claims = {
            "iss": "test", "sub": USER, "aud": service, "exp": now + self.life, "nbf": now - 10, "iat": now - 10,
            "jti": str(len(self.given)), "access": access,
        }  # fmt: skip
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self._x5c]}
        text = f"{_url64(json.dumps(head).encode())}.{_url64(json.dumps(claims).encode())}"
        signed = subprocess.run(
            [program("openssl"), "dgst", "-sha256", "-sign", str(self._key)],
            input=text.encode(), capture_output=True, check=True,
        ).stdout  # fmt: skip
        reply(handler, 200, json.dumps({name: f"{text}.{_url64(signed)}", "expires_in": self.life}).encode())


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

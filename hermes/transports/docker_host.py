"""A Docker daemon over HTTP, where ``DOCKER_HOST`` says that it is: a unix socket, TCP, TCP with TLS, or through ssh.

The variables mean what they do to the docker client: ``DOCKER_TLS_VERIFY``, if not empty, asks for TLS, and
``DOCKER_CERT_PATH`` (else ``DOCKER_CONFIG``, else ``~/.docker``) has ``ca.pem`` and, where a client has to show them,
``cert.pem`` and ``key.pem``. ``ssh://`` starts ``docker system dial-stdio`` on the other machine.

The library ``docker`` (7.2) is not used: it takes 147 ms of CPU to import where this takes 38, its ``ssh://`` wants
paramiko and cryptography even to start the program ssh, and what ssh complains of is in no error.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

from hermes import children
from hermes.errors import BuildError, UsageError

_SOCKET: Final = "unix:///var/run/docker.sock"
_SECONDS: Final = 600.0
_SSH_SECONDS: Final = 30
_SHOWN: Final = 500


@contextmanager
def asked(method: str, path: str, text: str, **more: object) -> Iterator[http.client.HTTPResponse]:
    """Ask the daemon, and give its answer; ``more`` is for `http.client.HTTPConnection.request`.

    Errors call what it is for ``text``. Raises `BuildError` when there is no daemon or it breaks off, `UsageError`
    where none can be reached so.
    """
    where = os.environ.get("DOCKER_HOST") or _SOCKET
    connection = _connection(text, where)
    try:
        _connect(connection, text, where)
        connection.request(method, path, **more)  # type: ignore[arg-type]
        yield connection.getresponse()
    except ssl.SSLError as error:  # with TLS 1.3 a client learns late that it is refused
        raise _untrusted(text, where, error) from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        if isinstance(connection, _SshConnection) and (said := connection.complaint()):
            raise BuildError(
                f"{text}: the daemon at {where} cannot be reached: {said}",
                hint="docker has to run there, and ssh to let you in",
            ) from error
        raise BuildError(f"{text}: the daemon at {where} broke off ({type(error).__name__})") from error
    finally:
        connection.close()
        if isinstance(connection, _SshConnection):
            connection.end()


def _connect(connection: http.client.HTTPConnection, text: str, where: str) -> None:
    try:
        connection.connect()
    except ssl.SSLError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        reason = f"ssh: {reason}" if isinstance(connection, _SshConnection) else reason
        raise BuildError(
            f"{text}: there is no daemon at {where}: {reason}",
            hint="start it, or say with DOCKER_HOST where it is",
        ) from error


def _connection(text: str, where: str) -> http.client.HTTPConnection:
    """Return a connection, not made yet, to what ``DOCKER_HOST`` names."""
    try:
        parts = urlsplit(where)
        if parts.scheme == "unix" and parts.path:
            return _UnixConnection(parts.path)
        if parts.scheme in ("tcp", "http") and parts.hostname:
            if not os.environ.get("DOCKER_TLS_VERIFY"):
                return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=_SECONDS)
            context = _context(text)
            port = parts.port or 2376
            return http.client.HTTPSConnection(parts.hostname, port, timeout=_SECONDS, context=context)
        if parts.scheme == "ssh" and parts.hostname and parts.password is None:
            return _SshConnection(_dial(parts))
    except ValueError:  # an invalid port
        pass
    raise UsageError(
        f"{text}: DOCKER_HOST is {where!r}, which Hermes cannot reach",
        hint="it knows unix://PATH, tcp://HOST:PORT and ssh://[USER@]HOST[:PORT]",
    )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _SshConnection(http.client.HTTPConnection):
    """HTTP over the standard input and output of a program."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._command = command
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._held = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(self.timeout)
        with theirs:
            end = theirs.fileno()
            started = children.started(self._command, terminal=True, stdin=end, stdout=end, stderr=self._said)
            self._process = self._held.enter_context(started)

    def complaint(self) -> str:
        """Return what the program last said, or an empty text."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        return next((line.strip()[-_SHOWN:] for line in reversed(lines) if line.strip()), "")

    def end(self) -> None:
        """End the program; `close` is called by `http.client` while an answer is still to be read."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        self._held.close()
        self._said.close()


def _dial(parts: SplitResult) -> list[str]:
    """Return the command that reaches the daemon of another machine; see docker(1), "system dial-stdio"."""
    options = ["-o", f"ConnectTimeout={_SSH_SECONDS}", "-T"]
    options += ["-l", parts.username] if parts.username else []
    options += ["-p", str(parts.port)] if parts.port else []
    there = ["--host", f"unix://{parts.path}"] if parts.path.strip("/") else []
    return [
        "ssh",
        *options,
        "--",
        str(parts.hostname),
        shlex.join(["docker", *there, "system", "dial-stdio"]),
    ]


def _context(text: str) -> ssl.SSLContext:
    """Return what certificates are trusted, and which is shown; raises `UsageError` when they cannot be read."""
    folder = (
        os.environ.get("DOCKER_CERT_PATH")
        or os.environ.get("DOCKER_CONFIG")
        or os.path.expanduser("~/.docker")
    )
    ca, cert, key = (f"{folder}/{name}.pem" for name in ("ca", "cert", "key"))
    try:
        context = ssl.create_default_context(cafile=ca)
        if os.path.exists(cert) or os.path.exists(key):
            context.load_cert_chain(cert, key)
    except OSError as error:
        raise UsageError(
            f"{text}: DOCKER_TLS_VERIFY is set, and the certificates in {folder} cannot be read: {_reason(error)}",
            hint="DOCKER_CERT_PATH names a folder with ca.pem and, for a daemon that wants them, cert.pem and key.pem",
        ) from error
    return context


def _untrusted(text: str, where: str, error: ssl.SSLError) -> BuildError:
    if error.reason == "WRONG_VERSION_NUMBER":
        return BuildError(f"{text}: the daemon at {where} does not speak TLS", hint="unset DOCKER_TLS_VERIFY")
    return BuildError(
        f"{text}: the daemon at {where} and Hermes do not trust each other: {_reason(error)}",
        hint="DOCKER_CERT_PATH names the folder with the ca.pem to trust, and the cert.pem and key.pem to show",
    )


def _reason(error: OSError) -> str:
    """Return what is wrong, without where in OpenSSL that was noticed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)

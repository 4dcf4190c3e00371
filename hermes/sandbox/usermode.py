"""A way out for the network namespaces of commands: slirp4netns or pasta, as podman and buildah use them.

Either is a program that runs beside the command, as the user who started Hermes, and copies between an interface in the
namespace and ordinary sockets. What it forwards ends up neither at this machine's loopback addresses nor at its
abstract sockets. It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Self

from hermes.errors import NetworkUnavailable, UsageError
from hermes.sandbox.network import (
    ADDRESS,
    EVERY_ADDRESS,
    GATEWAY,
    INTERFACE,
    PREFIX,
    RESOLVER,
    Port,
    resolver,
)
from hermes.sandbox.process import DEFAULT_PATH

_TUN: Final = "/dev/net/tun"
_LONGEST_WAIT: Final = 10.0
_FIRST_FD: Final = 20  # descriptors of the program's own are below
_HINT: Final = "with the host's network it would have one; `hermes doctor` tries what can connect it"


class Program(NamedTuple):
    """A program that connects network namespaces: its name, where it is, and how it is started (for a process)."""

    name: str
    path: str
    start: Callable[[str, int, Sequence[Port], str], Running]


class Running(NamedTuple):
    """A program that has connected a namespace. ``alive`` is a descriptor (-1: none) without which it ends."""

    pid: int
    alive: int = -1

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        if self.alive >= 0:
            os.close(self.alive)


def installed() -> tuple[Program, ...]:
    """Return what can connect a namespace here, the first choice first; raises `NetworkUnavailable` for nothing."""
    found = []
    if path := shutil.which("slirp4netns"):
        found.append(Program("slirp4netns", path, _slirp4netns))
    if (path := shutil.which("pasta")) and shutil.which("setpriv"):
        found.append(Program("pasta", path, _pasta))
    if not found:
        raise NetworkUnavailable(
            "neither slirp4netns nor pasta is installed", hint="install the package slirp4netns or passt"
        )
    try:
        os.close(os.open(_TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise NetworkUnavailable(
            f"{_TUN} cannot be opened: {error.strerror}",
            hint=f"load the module tun, and let users open it: chmod 666 {_TUN}",
        ) from None
    return tuple(found)


class Connection:
    """Connects one network namespace at a time, with ``ports`` published. ``folder`` is one for this alone.

    It is a `hermes.sandbox.namespace.Connect`, and a context manager at whose end the program ends.
    """

    def __init__(self, programs: Sequence[Program], ports: Sequence[Port], folder: str) -> None:
        self._programs = programs
        self._ports = ports
        self._folder = folder
        self._running: Running | None = None
        self.name = ""

    def __call__(self, process: int) -> None:
        """Start the first program that can connect the namespace; raises `NetworkUnavailable`."""
        refusals = []
        if self._running is not None:  # of a command before, whose namespace is gone
            self._running.end()
            self._running = None
        for one in self._programs:
            try:
                self._running = one.start(one.path, process, self._ports, self._folder)
            except NetworkUnavailable as error:
                refusals.append(f"{one.name}: {error.message}")
            else:
                self.name = one.name
                return
        raise NetworkUnavailable("; ".join(refusals))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running is not None:
            self._running.end()


def check_ports(ports: Sequence[Port]) -> None:
    """Raises `UsageError` for a port of this machine that cannot be had."""
    import socket

    for one in ports:
        kind = socket.SOCK_STREAM if one.protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as attempt:
            if one.protocol == "tcp":
                attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind((one.address, one.outer))
            except OSError as error:
                raise UsageError(
                    f"--publish {one}: {one.address}:{one.outer} of this machine cannot be used: {error.strerror}",
                    hint="only root publishes ports below 1024"
                    if isinstance(error, PermissionError)
                    else "choose another port",
                ) from None


def with_numbers(ports: Sequence[Port]) -> Iterator[Port]:
    """Yield ports with a free one of this machine where any will do (0)."""
    import socket

    for one in ports:
        kind = socket.SOCK_STREAM if one.protocol == "tcp" else socket.SOCK_DGRAM
        with socket.socket(socket.AF_INET, kind) as attempt:
            if not one.outer:
                attempt.bind((one.address, 0))
            yield one if one.outer else one._replace(outer=attempt.getsockname()[1])


def check_shared(ports: Sequence[Port]) -> None:
    """Raises `UsageError` for ports that cannot be had by a program that shares this machine's network."""
    for one in ports:
        if one.outer not in (0, one.inner):
            raise UsageError(
                f"--publish {one}: with this machine's network a port cannot become another one",
                hint=f"have the program listen on {one.outer}; a network of its own takes slirp4netns or pasta "
                "(`hermes doctor`)",
            )
        if one.address != EVERY_ADDRESS:
            raise UsageError(
                f"--publish {one}: with this machine's network the program itself decides at which addresses it listens",
                hint="leave the address out; a network of its own takes slirp4netns or pasta (`hermes doctor`)",
            )


def _slirp4netns(path: str, process: int, ports: Sequence[Port], folder: str) -> Running:
    """See slirp4netns(1)."""
    ready, ready_end = _pipe()
    alive_end, alive = _pipe()
    place = _high(os.open(folder, os.O_PATH | os.O_CLOEXEC))
    given = {3: ready_end, 4: alive_end, 5: place}
    arguments = [
        *("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback"),
        *("--enable-sandbox", "--enable-seccomp", "--ready-fd=3", "--exit-fd=4"),
        *(["--api-socket=/proc/self/fd/5/api"] if ports else []),
        *(str(process), INTERFACE),
    ]
    with _closed(ready, place):
        try:
            running = Running(_spawned(path, arguments, given, ready, (ready_end, alive_end)), alive)
        except BaseException:
            os.close(alive)
            raise
        try:
            for one in ports:
                _publish(f"/proc/self/fd/{place}/api", one)
        except BaseException:
            running.end()
            raise
    return running


def _publish(api: str, port: Port) -> None:
    """Have slirp4netns forward a port; see slirp4netns(1), "API SOCKET"."""
    import socket

    arguments = {
        "proto": port.protocol,
        "host_addr": port.address,
        "host_port": port.outer,
        "guest_port": port.inner,
    }
    with socket.socket(socket.AF_UNIX) as call:
        call.settimeout(_LONGEST_WAIT)
        call.connect(api)
        call.sendall(json.dumps({"execute": "add_hostfwd", "arguments": arguments}).encode())
        call.shutdown(socket.SHUT_WR)
        with call.makefile("rb") as answer:
            found = json.loads(answer.read())
    if "error" in found:
        raise UsageError(f"--publish {port}: {found['error'].get('desc', 'it cannot be forwarded')}")


def _pasta(path: str, process: int, ports: Sequence[Port], folder: str) -> Running:
    """See pasta(1)."""
    named = f"{folder}/pasta"  # a pipe; that it writes its number there says that it is ready
    os.mkfifo(named, 0o600)
    ready = _high(os.open(named, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    arguments = [
        *("setpriv", "--pdeathsig", "KILL", "--", path, "--foreground", "--quiet"),
        *(("--runas", "0:0") if os.geteuid() == 0 else ()),
        *("--config-net", "--ipv4-only", "--ns-ifname", INTERFACE, "--address", ADDRESS),
        *("--netmask", str(PREFIX), "--gateway", GATEWAY, "--no-map-gw"),
        # With it, older versions lose what other name servers answer.
        *(("--dns-forward", RESOLVER) if RESOLVER.encode() in resolver("default") else ()),
        *_published("tcp", ports),
        *_published("udp", ports),
        *("--tcp-ns", "none", "--udp-ns", "none", "--pid", named, str(process)),
    ]
    with _closed(ready):
        pid = _spawned(shutil.which("setpriv") or "setpriv", arguments, {}, ready, ())
    os.unlink(named)
    return Running(pid)


def _published(protocol: str, ports: Sequence[Port]) -> Iterator[str]:
    chosen = [f"{one.address}/{one.outer}:{one.inner}" for one in ports if one.protocol == protocol]
    for one in chosen or ["none"]:
        yield from (f"--{protocol}-ports", one)


def _spawned(
    path: str, arguments: Sequence[str], given: Mapping[int, int], ready: int, passed: Collection[int]
) -> int:
    """Start a program, and return its number once it has written to ``ready``; raises `NetworkUnavailable`.

    ``given`` maps the numbers that descriptors have in the program to those here. ``passed`` are closed here once it
    runs, so that nobody but the program has them.
    """
    log = _high(os.memfd_create("hermes"))
    with _closed(log):
        standard = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        duplicated = [(os.POSIX_SPAWN_DUP2, here, there) for there, here in {1: log, 2: log, **given}.items()]
        pid = os.posix_spawn(
            path,
            list(arguments),
            {"PATH": DEFAULT_PATH},
            file_actions=[*standard, *duplicated],
            setsid=True,
            setsigdef=[signal.SIGPIPE, signal.SIGINT],
        )
        for fd in passed:
            os.close(fd)
        try:
            if not _is_ready(pid, ready):
                os.lseek(log, 0, os.SEEK_SET)
                raise NetworkUnavailable(_last_line(os.read(log, 1 << 16)), hint=_HINT)
        except BaseException:
            Running(pid).end()
            raise
    return pid


def _is_ready(pid: int, ready: int) -> bool:
    """Wait until a program says that it is ready; tell whether it did before it ended."""
    process = os.pidfd_open(pid)
    try:
        found, _, _ = select.select([ready, process], [], [], _LONGEST_WAIT)
        return ready in found and bool(os.read(ready, 16))
    finally:
        os.close(process)


def _last_line(log: bytes) -> str:
    lines = [line.strip() for line in log.decode(errors="replace").splitlines() if "syslog" not in line]
    return next((line for line in reversed(lines) if line), "it did not say why")


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    return _high(reader), _high(writer)


def _high(fd: int) -> int:
    """Give a descriptor a number above those that the program is given."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FD)
    os.close(fd)
    return moved


@contextlib.contextmanager
def _closed(*fds: int) -> Iterator[None]:
    try:
        yield
    finally:
        for fd in fds:
            os.close(fd)

"""A way out for the network namespaces of commands: slirp4netns or pasta, as podman and buildah use them.

Either is a program that runs beside the command, as the user who started Hermes, and copies between an interface in the
namespace and ordinary sockets. What it forwards ends up neither at this machine's loopback addresses nor at its
abstract sockets. It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from hermes.errors import NetworkUnavailable, SandboxError
from hermes.sandbox.network import ADDRESS, GATEWAY, INTERFACE, PREFIX, RESOLVER, resolver
from hermes.sandbox.process import DEFAULT_PATH

if TYPE_CHECKING:
    from hermes.sandbox.forwarding import Forwarding
    from hermes.sandbox.ports import Listening

_TUN: Final = "/dev/net/tun"
_LONGEST_WAIT: Final = 10.0
_FIRST_FD: Final = 20  # descriptors of the program's own are below
_HINT: Final = "with the host's network it would have one; `hermes doctor` tries what can connect it"


class Program(NamedTuple):
    """A program that connects network namespaces: its name, where it is, and how it is started (for a process)."""

    name: str
    path: str
    start: Callable[[str, int, str], Running]


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
    """Connects one network namespace at a time; what is ``listening`` leads to it. ``folder`` is one for this alone.

    It is a `hermes.sandbox.namespace.Connect`, and a context manager at whose end the program ends.
    """

    def __init__(self, programs: Sequence[Program], folder: str, listening: Listening | None = None) -> None:
        self._programs = programs
        self._listening = listening
        self._folder = folder
        self._running: Running | None = None
        self._forwarding: Forwarding | None = None
        self.name = ""

    def __call__(self, process: int) -> None:
        """Start the first program that can connect the namespace; raises `NetworkUnavailable`."""
        self._end()  # of a command before, whose namespace is gone
        if self._listening:
            from hermes.sandbox.forwarding import Forwarding

            self._forwarding = Forwarding()  # it loads while the program starts
        refusals = []
        for one in self._programs:
            try:
                self._running = one.start(one.path, process, self._folder)
            except NetworkUnavailable as error:
                refusals.append(f"{one.name}: {error.message}")
            else:
                self.name = one.name
                break
        else:
            raise NetworkUnavailable("; ".join(refusals))
        if self._listening and self._forwarding:
            if refusal := self._forwarding.enter(process, self._listening):
                raise SandboxError(f"ports cannot be published: {refusal}")
            self._listening.close()  # they are the other process's alone: nobody may connect to nothing

    def _end(self) -> None:
        if self._running is not None:
            self._running.end()
            self._running = None
        if self._forwarding is not None:
            self._forwarding.end()
            self._forwarding = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()


def _slirp4netns(path: str, process: int, _: str) -> Running:
    """See slirp4netns(1)."""
    ready, ready_end = _pipe()
    alive_end, alive = _pipe()
    given = {3: ready_end, 4: alive_end}
    arguments = [
        *("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback"),
        *("--enable-sandbox", "--enable-seccomp", "--ready-fd=3", "--exit-fd=4"),
        *(str(process), INTERFACE),
    ]
    with _closed(ready):
        try:
            return Running(_spawned(path, arguments, given, ready, (ready_end, alive_end)), alive)
        except BaseException:
            os.close(alive)
            raise


def _pasta(path: str, process: int, folder: str) -> Running:
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
        *("--tcp-ports", "none", "--udp-ports", "none"),
        *("--tcp-ns", "none", "--udp-ns", "none", "--pid", named, str(process)),
    ]
    with _closed(ready):
        pid = _spawned(shutil.which("setpriv") or "setpriv", arguments, {}, ready, ())
    os.unlink(named)
    return Running(pid)


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

"""A server in a sandbox, and who asks it: a process in the server's network namespace. Runs in the user namespace.

So no port of this machine is taken, and the server needs no network. bubblewrap is always the sandbox, as the two have to
see each other's processes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, NamedTuple

from hermes.container.calls.testing import ImageTests
from hermes.container.inside.run_in_stack import Container
from hermes.container.output import piped
from hermes.container.task import Outcome
from hermes.errors import BuildError
from hermes.sandbox import signals
from hermes.sandbox.choice import BWRAP, sandbox
from hermes.sandbox.process import Ended, Process, Sandbox
from hermes.sandbox.remote import Caller, Stdio
from hermes.sandbox.syscalls import CLONE_NEWNET, CLONE_NEWNS, setns, unshare
from hermes.store import Store
from hermes.store.blobs import write_all
from hermes.testing.patterns import found, text_of
from hermes.testing.report import Case, clipped
from hermes.testing.suite import HttpRequest, HttpTest
from hermes.testing.verdicts import texts

_PAUSE: Final = 0.02
_BETWEEN_CHECKS: Final = 0.5
_LARGEST: Final = 16 << 20
_ONE_ANSWER: Final = 30.0
"""Seconds within which an answer has to go on."""
_LISTENS: Final = "0A"
"""The state of a socket that listens, in /proc/net/tcp; see proc(5)."""
_TAIL: Final = 20


def serve(
    store: Store, call: ImageTests, scratch: str, seconds: float, stdio: Stdio, caller: Caller
) -> Iterator[Case]:
    """Start the server of a call, ask it, stop it, all within ``seconds``; yield what came of its start and of each request."""
    task, test, chosen = call.server, call.http, call.chosen
    assert task is not None
    assert test is not None
    asked = [one for one in test.requests if not chosen or found(chosen, one.title)]
    if chosen and not asked and not found(chosen, _START):
        return
    folder = f"{scratch}/server"
    os.mkdir(folder)
    started = time.monotonic()
    check = _HealthCheck(store, call, folder) if test.health_check else None
    asking = _Asking(test, asked, f"{folder}/answers", os.getpid(), check)
    if task.network == "host" and (address := _taken(test.port)):
        said = f"port {test.port} of this machine, which the image shares, is in use at {address}"
        yield Case(_START, (said, "end what listens there, or install slirp4netns; see `hermes doctor`"))
        return
    run = replace(task, timeout=seconds, runtime=BWRAP)
    container = Container(store, run, folder, emulators=dict(call.emulators))
    with open(f"{folder}/output", "w+b") as output:
        log = (stdio[0], output.fileno(), output.fileno())
        with piped(log, tell=lambda data: write_all(stdio[1], data), most=_LARGEST) as ours:
            outcome = _outcome(container, _Asked(sandbox(BWRAP, call.where), asking), ours, caller)
        output.seek(0)
        printed = text_of(output.read())
    yield from _cases(asking, outcome, test, printed, int((time.monotonic() - started) * 1000))


_START: Final = "HTTP Test: start"


def _outcome(container: Container, sandbox: Sandbox, stdio: Stdio, caller: Caller) -> Outcome | BuildError:
    try:
        return container.run(sandbox, stdio, caller)
    except BuildError as error:
        return error


def _cases(
    asking: _Asking, outcome: Outcome | BuildError, test: HttpTest, printed: str, milliseconds: int
) -> Iterator[Case]:
    answers = asking.answers()
    shown = clipped(printed)
    if isinstance(outcome, BuildError):
        yield Case(_START, tuple(filter(None, (outcome.message, outcome.hint))), milliseconds)
        return
    problem = answers.problem
    if not answers.done and not problem:
        how = (
            "took longer than the test may take"
            if outcome.timed_out
            else f"ended with status {outcome.status}"
        )
        when = "it was asked everything" if answers.began else f"it listened on port {test.port}"
        problem = f"the program {how} before {when}"
    tail = [one for one in printed.splitlines() if one.strip()][-_TAIL:]
    said = (f"it printed: {' | '.join(tail)}" if tail else "it printed nothing",) if problem else ()
    yield Case(_START, (problem, *said) if problem else (), answers.began, stdout=shown)
    yield from answers.cases
    if answers.done and answers.killed:
        yield Case(
            "HTTP Test: stop", (f"the program did not end within {test.stop_seconds} seconds of SIGTERM",)
        )


class _Answers(NamedTuple):
    """What came of asking: the milliseconds until the server had begun, and what was wrong with that."""

    began: int = 0
    problem: str = ""
    cases: tuple[Case, ...] = ()
    done: bool = False
    killed: bool = False


class _Asking:
    """Asks a server, in a process of its own that `start` makes. ``parent`` is the process that runs the server."""

    def __init__(
        self,
        test: HttpTest,
        requests: list[HttpRequest],
        path: str,
        parent: int,
        check: _HealthCheck | None = None,
    ) -> None:
        self._test = test
        self._check = check
        self._requests = requests
        self._path = path
        self._parent = parent
        self._answers = _Answers()

    def start(self, namespace: int | None) -> None:
        """Begin, in the network namespace of a process (a pidfd), or in the present one."""
        if os.fork():
            return
        try:
            if namespace is not None:
                setns(namespace, CLONE_NEWNET)
            self._ask()
        except BaseException as error:  # noqa: BLE001 - told where the server's end is awaited
            self._note(problem=f"{type(error).__name__}: {error}")
        finally:
            with contextlib.suppress(BaseException):
                self._stop()
            sys.stderr.flush()
            os._exit(0)

    def answers(self) -> _Answers:
        """Return what came of it so far."""
        try:
            with open(self._path, encoding="utf-8", errors="surrogateescape") as file:
                document = json.load(file)
        except FileNotFoundError:
            return _Answers()
        cases = tuple(Case(**{**one, "errors": tuple(one["errors"])}) for one in document["cases"])
        return _Answers(**{**document, "cases": cases})

    def _note(self, **changed: Any) -> None:
        self._answers = self._answers._replace(**changed)
        document = {**self._answers._asdict(), "cases": [one._asdict() for one in self._answers.cases]}
        with open(f"{self._path}.new", "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump(document, file)
        os.replace(f"{self._path}.new", self._path)

    def _ask(self) -> None:
        started = time.monotonic()
        if problem := self._waited(started + self._test.start_seconds):
            self._note(problem=problem)
            return
        self._note(began=max(1, int((time.monotonic() - started) * 1000)))
        for one in self._requests:
            begun = time.monotonic()
            try:
                errors = tuple(self._wrong(one))
            except (OSError, http.client.HTTPException) as error:
                errors = (f"no answer: {_said(error)}",)
            case = Case(one.title, errors, int((time.monotonic() - begun) * 1000))
            self._note(cases=(*self._answers.cases, case))
        self._note(done=True)

    def _waited(self, deadline: float) -> str:
        """Wait until the server has begun; return what is wrong if it does not."""
        port, last = self._test.port, ""
        while True:
            addresses = _listening().get(port, set())
            if addresses and not self._test.loopback and all(map(_is_loopback, addresses)):
                return (
                    f"the program listens on port {port} of {', '.join(sorted(addresses))} only, where nothing outside of its "
                    "container reaches it; let it listen on 0.0.0.0, or say loopback = True"
                )
            if addresses and not (last := self._unready()):
                return ""
            if time.monotonic() >= deadline:
                break
            time.sleep(_PAUSE)
        limit = f"within {self._test.start_seconds} seconds"
        if last:
            return f"the program was not ready {limit}: {last}"
        others = ", ".join(str(one) for one in sorted(_listening()))
        return f"nothing listened on port {port} {limit}" + (f", but on {others}" if others else "")

    def _unready(self) -> str:
        """Return what keeps a program that listens from being ready, or an empty string."""
        if self._test.ready:
            try:
                status, _, _ = self._answer(HttpRequest(self._test.ready))
            except (OSError, http.client.HTTPException) as error:
                return f"no answer for {self._test.ready}: {_said(error)}"
            if status >= 400:
                return f"status {status} for {self._test.ready}"
        return self._check.problem() if self._check else ""

    def _answer(self, request: HttpRequest) -> tuple[int, http.client.HTTPMessage, str]:
        address = "127.0.0.1"
        if all(":" in one for one in _listening().get(self._test.port, {"127.0.0.1"})):
            address = "::1"
        connection = http.client.HTTPConnection(address, self._test.port, timeout=_ONE_ANSWER)
        headers = {"Host": f"localhost:{self._test.port}", **dict(request.headers)}
        try:
            body = request.body.encode() if request.body else None
            connection.request(request.method, request.path, body, headers)
            response = connection.getresponse()
            data = response.read(_LARGEST)
            return response.status, response.headers, text_of(data)
        finally:
            connection.close()

    def _wrong(self, request: HttpRequest) -> Iterator[str]:
        status, headers, body = self._answer(request)
        if status != request.status:
            yield f"the status is {status}, expected {request.status}"
        for name, pattern in request.expected_headers:
            value = headers.get(name)
            if value is None:
                yield f"the answer has no header {name}"
            else:
                yield from texts((pattern,), (), value, f"the header {name}")
        yield from texts(request.expected, request.excluded, body, "the body")

    def _stop(self) -> None:
        """Ask the server to end, and end it when it does not."""
        signals.send(signal.SIGTERM, self._parent)
        deadline = time.monotonic() + self._test.stop_seconds
        while time.monotonic() < deadline:
            if not signals.is_running(self._parent):
                return
            time.sleep(_PAUSE)
        self._note(killed=True)
        signals.send(signal.SIGKILL, self._parent)


class _HealthCheck:
    """The health check of an image, for a process in the network namespace of its server; see docker's HEALTHCHECK.

    It runs in a sandbox of its own, hardened as the server's, so it sees the server's ports and not its files.
    """

    def __init__(self, store: Store, call: ImageTests, folder: str) -> None:
        self._store = store
        self._call = call
        self._folder = folder
        self._count = 0

    def problem(self) -> str:
        """Run it once; return what it has to say against the server, or an empty string."""
        given = self._call.config.get("Healthcheck") or {}
        kind, *argv = given.get("Test") or ("NONE",)
        if kind == "NONE" or not argv:
            return "the image has no health check"
        if not self._count:
            unshare(CLONE_NEWNS)
        else:
            time.sleep(_BETWEEN_CHECKS)
        self._count += 1
        folder = f"{self._folder}/check{self._count}"
        os.mkdir(folder)
        assert self._call.server is not None
        task = replace(
            self._call.server,
            argv=("/bin/sh", "-c", argv[0]) if kind == "CMD-SHELL" else tuple(argv),
            network="none",
            timeout=(given.get("Timeout") or 30_000_000_000) / 1e9,
            runtime=BWRAP,
        )
        container = Container(self._store, task, folder, emulators=dict(self._call.emulators))
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        with open(f"{folder}/output", "w+b") as output, socket.socket() as unused:
            log = (nothing, output.fileno(), output.fileno())
            with piped(log, most=_LARGEST) as ours:
                beside = _Beside(sandbox(BWRAP, self._call.where))
                outcome = _outcome(container, beside, ours, Caller(unused))
            output.seek(0)
            printed = " ".join(text_of(output.read()).split())
        os.close(nothing)
        if isinstance(outcome, BuildError):
            return f"the health check: {outcome.message}"
        return f"the health check ended with status {outcome.status}: {printed}" if outcome.status else ""


class _Beside:
    """A sandbox whose process has the network of this process; see `hermes.sandbox.process.Sandbox`."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner

    def run(self, process: Process, root: str, stdio: Stdio, caller: Caller) -> Ended:
        return self._inner.run(replace(process, network="host"), root, stdio, caller)


class _Asked:
    """A sandbox whose process is asked while it runs; see `hermes.sandbox.process.Sandbox`."""

    def __init__(self, inner: Sandbox, asking: _Asking) -> None:
        self._inner = inner
        self._asking = asking

    def run(self, process: Process, root: str, stdio: Stdio, caller: Caller) -> Ended:
        if process.network == "host":
            self._asking.start(None)
            return self._inner.run(process, root, stdio, caller)
        connecting = _Connecting(self._asking, caller if process.network == "default" else None)
        return self._inner.run(replace(process, network="default"), root, stdio, connecting)


class _Connecting(Caller):
    """Starts who asks when the server's network is there, and connects that with the machine's if ``caller`` is given."""

    def __init__(self, asking: _Asking, caller: Caller | None) -> None:
        self._asking = asking
        self._caller = caller

    def connect(self, process: int) -> None:
        if self._caller is not None:
            self._caller.connect(process)
        self._asking.start(process)


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _listening() -> dict[int, set[str]]:
    """Map the ports that something listens on in this network namespace to the addresses; see proc(5), /proc/net/tcp."""
    ports: dict[int, set[str]] = {}
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/self/net/{name}", encoding="ascii") as file:
            for line in file.read().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS:
                    address, _, port = fields[1].partition(":")
                    ports.setdefault(int(port, 16), set()).add(_address(address))
    return ports


def _address(text: str) -> str:
    """Return an address as people write it; the kernel writes words of 32 bits in the order of the machine."""
    words = [bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8)]
    data = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def _taken(port: int) -> str:
    """Return an address of this machine that something listens on at a port, or an empty string."""
    return min(_listening().get(port, ()), default="")

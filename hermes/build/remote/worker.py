"""A worker of a build service: a bot of the Bots API, as BuildGrid and others speak it.

It has one session for each action that it executes at once, and one store and namespace for all. A session asks for work and
waits for it in one call; while an action is executed it calls every few seconds, so that the service knows that it is
alive. An action that the service takes away runs to its end, as others may want it, and nobody is told.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hermes.build.remote.station import Answer, Station
from hermes.build.remote.stored import blobs_of
from hermes.digest import Digest
from hermes.errors import BuildInterrupted, HermesError, RemoteError
from hermes.image.platform import Platform
from hermes.remote.address import Address
from hermes.remote.cas import Cas, Lost
from hermes.remote.channel import Channel, Failed
from hermes.remote.execution import FileThere, blob_of, files_in, missing_status, tree_of
from hermes.remote.folder import StoredFolder
from hermes.remote.messages import BOTS, messages
from hermes.remote.settings import isa

_CREATE: Final = f"/{BOTS}.Bots/CreateBotSession"
_UPDATE: Final = f"/{BOTS}.Bots/UpdateBotSession"
_OK, _UNHEALTHY, _TERMINATING = 1, 2, 4
_ACTIVE, _COMPLETED, _CANCELLED = 2, 4, 5
_WAIT: Final = 30.0
"""Seconds for which a session waits for work in one call."""
_BEAT: Final = 3.0
"""Seconds between the calls of a session whose action is being executed."""
_TURN: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_PATIENCE: Final = float(10**9)
"""Seconds for which a worker waits for its service: as long as it runs."""
_STOP: Final = 5.0
_LOG: Final = 1 << 16
_INVALID, _FAILED_PRECONDITION, _INTERNAL = 3, 9, 13


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works.

    ``jobs`` actions are executed at once. ``platform`` are properties besides those that are found out, and instead of them;
    ``able`` are those of `hermes.build.remote.abilities`, and ``architectures`` whose commands are executed besides this machine's. The store is kept below ``max_size`` bytes, if that is said.
    """

    address: Address
    jobs: int
    name: str = ""
    platform: Mapping[str, str] | None = None
    max_size: int | None = None
    able: tuple[tuple[str, str], ...] = ()
    architectures: tuple[str, ...] = ()


class Worker:
    """See the module. ``say`` is told what people should know."""

    def __init__(self, station: Station, options: WorkerOptions, say: Callable[[str], None]) -> None:
        self._station = station
        self._options = options
        self._say = say
        self._stopping = threading.Event()
        self.channel = Channel(options.address, threading.Event(), patience=_PATIENCE)
        self.cas = Cas(self.channel)
        name = options.name or f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"
        self._sessions = [_Session(self, f"{name}-{number}") for number in range(options.jobs)]

    def properties(self) -> tuple[tuple[str, str], ...]:
        """Return what the service knows of this worker, which actions may ask for; a name may have several values."""
        has_one_id = self._station.tools.commands.has_one_id
        found = {
            "OSFamily": "linux",
            "ISA": isa(Platform.host().architecture),
            "hermes": "1",
            "hermes-ids": "one" if has_one_id else "range",
        }
        chosen = self._options.platform or {}
        rest = tuple(pair for pair in self._options.able if pair[0] not in chosen)
        return *{**found, **chosen}.items(), *rest

    def run(self, waiting: Callable[[], None]) -> None:
        """Work until `stop`; raises `RemoteError` where the service does not want this worker.

        ``waiting`` is called on each turn of the wait.
        """
        errors: list[HermesError] = []

        def work(session: _Session) -> None:
            try:
                session.run(self._stopping)
            except BuildInterrupted:
                pass
            except HermesError as error:
                errors.append(error)
                self._stopping.set()

        threads = [threading.Thread(target=work, args=(one,), daemon=True) for one in self._sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # a wait without end would keep signals out
                thread.join(_TURN)
                waiting()
        self.channel.close()
        if errors:
            raise errors[0]

    def stop(self, *, now: bool = False) -> None:
        """Take no more work; ``now``: end what is being executed, too, which the service then gives to another worker."""
        self._stopping.set()
        for one in self._sessions:
            one.wake()
        if now:
            self._station.cancelled.set()
            self._station.close()

    def execute(self, payload: Any) -> tuple[Any, Any]:
        """Execute what a lease says; return the result and the status."""
        m = messages()
        try:
            action = self._action(payload)
            command = m.Command.FromString(self._read(action.command_digest))
            arguments = list(command.arguments)
            if (
                arguments[:2] != ["hermes", "execute-action"]
                or len(arguments) != 5
                or not command.output_paths
            ):
                return None, m.Status(
                    code=_INVALID, message="this worker executes `hermes execute-action` only"
                )
            folder = StoredFolder(
                self.cas, self._files(action.input_root_digest), self._station.store.scratch
            )
            with self._station.store.in_use():
                answer = self._station.execute(folder)
                return self._result(answer, command.output_paths[0]), None
        except Lost as error:
            return None, missing_status([(error.digest, 0)])
        except BuildInterrupted:
            raise
        except HermesError as error:
            return None, m.Status(code=_INTERNAL, message=error.message)
        except Exception as error:  # noqa: BLE001 - of a lease that nobody here has made; the next one is another
            return None, m.Status(code=_INVALID, message=f"the lease cannot be executed: {error!r}")

    def _action(self, payload: Any) -> Any:
        """Return the action of a lease, which is in it or in the storage."""
        m = messages()
        action, digest = m.Action(), m.Digest()
        if payload.Unpack(action):
            return action
        if payload.Unpack(digest):
            return m.Action.FromString(self._read(digest))
        raise RemoteError(f"the lease is of type {payload.type_url}")

    def _read(self, digest: Any) -> bytes:
        return self.cas.read(Digest.from_hex(digest.hash), digest.size_bytes)

    def _files(self, root: Any) -> dict[str, FileThere]:
        data = self._read(root)
        below = messages().Directory.FromString(data).directories
        folders = {one.digest.hash: self._read(one.digest) for one in below}
        return dict(files_in(data, folders))

    def _result(self, answer: Answer, output: str) -> Any:
        """Send what came of an action, and return the message that says so."""
        m = messages()
        blobs = blobs_of(answer.parts, self._station.tools)
        root, folders = tree_of({path: FileThere(one.digest, one.size) for path, one in blobs.items()})
        tree = m.Tree(
            root=m.Directory.FromString(root), children=[m.Directory.FromString(one) for one in folders]
        ).SerializeToString()
        sent = [*blobs.values(), *(blob_of(one) for one in (tree, root, *folders))]
        self.cas.forget(one.digest for one in sent)  # the storage may have lost them since
        self.cas.send(sent)
        stderr = f"error: {answer.error.render()}\n".encode() if answer.error else b""
        digest = m.Digest(hash=Digest.of(tree).hex, size_bytes=len(tree))
        result = m.ActionResult(
            output_directories=[
                m.OutputDirectory(path=output, tree_digest=digest, is_topologically_sorted=True)
            ],
            exit_code=answer.status,
            stderr_raw=stderr[:_LOG],
        )
        result.execution_metadata.worker = socket.gethostname()
        return result


class _Session:
    """One session, which has at most one lease."""

    def __init__(self, worker: Worker, bot: str) -> None:
        self._worker = worker
        self._bot = bot
        self._guard = threading.Lock()
        self._call: Any = None
        self._done = threading.Event()

    def wake(self) -> None:
        """End a call that waits for work."""
        with self._guard:
            if self._call is not None:
                self._call.cancel()
        self._done.set()

    def run(self, stopping: threading.Event) -> None:
        session, pause = None, 0.2
        lease: Any = None
        running: _Running | None = None
        while True:
            if lease is None and stopping.is_set():
                self._end(session)
                return
            try:
                if session is None:
                    session = self._create()
                else:
                    session.status = _UNHEALTHY if stopping.is_set() else _OK
                    session = self._update(session, _WAIT if lease is None else _BEAT * 2)
                pause = 0.2
            except _Woken:
                continue
            except Failed as error:
                if error.code in (
                    "NOT_FOUND",
                    "INVALID_ARGUMENT",
                    "FAILED_PRECONDITION",
                    "ABORTED",
                    "INTERNAL",
                ):
                    session = None  # the service has forgotten it, and with it the lease
                elif error.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNKNOWN"):
                    raise
                if stopping.wait(pause) and lease is None:
                    return
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            given = next((one for one in session.leases if one.state != _CANCELLED), None)
            if running is not None and (given is None or given.id != lease.id):
                lease = running = None
            if given is None:
                continue
            if running is None:
                lease, running = given, _Running(self._worker, given)
            running.done.wait(_BEAT)
            del session.leases[:]
            session.leases.append(running.lease())

    def _create(self) -> Any:
        m = messages()
        properties = [m.DeviceProperty(key=key, value=value) for key, value in self._worker.properties()]
        session = m.BotSession(
            bot_id=self._bot,
            status=_OK,
            worker=m.Worker(devices=[m.Device(handle="primary", properties=properties)]),
        )
        request = m.CreateBotSessionRequest(parent=self._worker.channel.address.instance, bot_session=session)
        return self._called(_CREATE, request, _WAIT)

    def _update(self, session: Any, seconds: float) -> Any:
        return self._called(
            _UPDATE, messages().UpdateBotSessionRequest(name=session.name, bot_session=session), seconds
        )

    def _called(self, method: str, request: Any, seconds: float) -> Any:
        channel = self._worker.channel
        with self._guard:
            self._call = call = channel.once(method, request, messages().BotSession, seconds)
        try:
            found = call.result()
        except channel.rpc_error as error:
            raise channel.failure(error) from None
        except BaseException as error:
            if type(error).__name__ == "FutureCancelledError":
                raise _Woken from None
            raise
        finally:
            with self._guard:
                self._call = None
        channel.works()
        return found

    def _end(self, session: Any) -> None:
        """Say that this worker goes away."""
        if session is None:
            return
        del session.leases[:]
        session.status = _TERMINATING
        with contextlib.suppress(HermesError, _Woken):
            self._update(session, _STOP)


class _Woken(Exception):
    """A call that waited for work was ended."""


class _Running:
    """A lease whose action is being executed in a thread."""

    def __init__(self, worker: Worker, lease: Any) -> None:
        self.done = threading.Event()
        self._lease = lease
        self._worker = worker
        self._answer: tuple[Any, Any] = (None, None)
        self._is_interrupted = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._answer = self._worker.execute(self._lease.payload)
        except BuildInterrupted:
            self._is_interrupted = True
        finally:
            self.done.set()

    def lease(self) -> Any:
        """Return the lease as it is now."""
        m = messages()
        state = _COMPLETED if self.done.is_set() else _ACTIVE
        lease = m.Lease(id=self._lease.id, payload=self._lease.payload, state=state)
        result, status = self._answer
        if state == _COMPLETED:
            if self._is_interrupted:
                lease.status.CopyFrom(m.Status(code=14, message="the worker was stopped"))
            elif status is not None:
                lease.status.CopyFrom(status)
            if result is not None:
                lease.result.Pack(result)
        return lease

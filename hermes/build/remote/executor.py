"""Has actions executed by other machines, those that can travel, and the others here.

Nothing else in a build knows: an action that the service cannot execute, or whose result is lost, is executed here as if
there were no service, unless that is not wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from hermes.actions.kinds import LAYER
from hermes.actions.local import can_travel
from hermes.actions.packed import (
    RESULT,
    SCHEMA,
    admit_log,
    pack_action,
)
from hermes.actions.privacy import stays_here
from hermes.actions.run import whole_lines
from hermes.actions.specs.run import Run
from hermes.actions.tools import Tools
from hermes.build.remote.queue import Queue, shown
from hermes.build.remote.station import UNABLE
from hermes.build.remote.stored import blobs_of
from hermes.build.remote.taking import Taking
from hermes.digest import CHUNK, Digest
from hermes.engine.action import Action
from hermes.engine.events import ActionMoved, Events
from hermes.engine.executor import Executor, Expansion, Request, Result
from hermes.errors import MissingBlobError, RemoteError, RemoteRefused, RemoteUnavailable, SecretLeaked
from hermes.image.platform import Platform
from hermes.naming.remotes import RemoteContent
from hermes.remote.address import Address
from hermes.remote.cas import Cas, Lost
from hermes.remote.channel import Channel
from hermes.remote.connections import Connections
from hermes.remote.execution import Executed, Execution, Job, NotTaken
from hermes.remote.folder import StoredFolder
from hermes.remote.settings import RemoteSettings, isa

_OUT = "out"
_ARGUMENTS = ("hermes", "execute-action", f"--schema={SCHEMA}", "action.json", _OUT)


@dataclass(frozen=True, slots=True)
class Service:
    """An open connection with a service."""

    channel: Channel
    cas: Cas
    execution: Execution

    @classmethod
    def open(cls, address: Address, connections: Connections) -> Service:
        """Raises `RemoteError`."""
        cas = connections.cas(address)
        return cls(cas.channel, cas, Execution(cas.channel, cas))


class Unable(RemoteError):
    """No worker can execute an action."""


class RemoteExecutor:
    """See `hermes.engine.executor.Executor`. ``slot`` is what an action has that is executed here after all."""

    def __init__(
        self,
        local: Executor,
        settings: RemoteSettings,
        tools: Tools,
        events: Events,
        slot: Callable[[], AbstractContextManager[None]],
        content: RemoteContent,
        check: Callable[[Request, Result], Result] = lambda _, result: result,
    ) -> None:
        self._local = local
        self.settings = settings
        self._address = settings.address()
        self._content = content
        self._check = check
        self._tools = tools
        self._events = events
        self._slot = slot
        self._guard = threading.Lock()
        self._service: Service | None = None
        self._is_away = False
        self._queue = Queue(settings.executor, tools.warn)
        self._kept_here: set[str] = set()

    def execute(self, request: Request) -> Result | Expansion:
        if not can_travel(request.action):
            return self._local.execute(request)
        if stays_here(request, self._tools):
            return self._here(request)
        if self._is_away or request.action.kind in self._kept_here or not self._is_worth_it(request):
            return self._here(request)
        try:
            return self._check(request, self._there(request))
        except RemoteError as error:
            if not self.settings.local_fallback:
                error.hint = error.hint or "--remote-local-fallback executes on this machine then"
                raise
            self._note(request.action, error)
        return self._here(request)

    def close(self) -> None:
        """End the connection, and all that waits for it; the service is told of what is not waited for any more."""
        with self._guard:
            self._is_away = True
            service, self._service = self._service, None
        if service is not None:
            service.execution.cancel()
            service.channel.close()

    def _is_worth_it(self, request: Request) -> bool:
        """Tell whether to send an action.

        What only reads layers goes where those are, and programs of another architecture where workers are said to execute them.
        """
        if request.action.kind == Run.kind:
            return self._is_executed(Platform.parse(request.action.platform))
        layers = [one.value.digest for one in request.inputs if one.value.kind == LAYER]
        cas = self._service.cas if self._service else None
        return bool(layers) and all(
            self._is_noted(one) or (cas is not None and cas.has_seen(one)) for one in layers
        )

    def _is_executed(self, platform: Platform) -> bool:
        return platform == Platform.host() or platform.architecture in self.settings.architectures

    def _properties(self, action: Action) -> dict[str, str]:
        """Return the properties that a worker must have for an action."""
        found = dict(self.settings.platform)
        host = Platform.host()
        wanted = Platform.parse(action.platform) if action.kind == Run.kind else host
        if action.platform and (wanted != host or not self.settings.has_platform):
            found["ISA"] = isa(wanted.architecture)
        return found

    def _is_noted(self, layer: Digest) -> bool:
        note = self._tools.store.remote_blobs.of(layer)
        return note is not None and note.place == self._address.place

    def _here(self, request: Request) -> Result | Expansion:
        with self._slot():
            return self._local.execute(request)

    def _opened(self) -> Service:
        with self._guard:
            if self._service is None:
                service = Service.open(self._address, self._content.connections)
                self._service = service
            return self._service

    def _note(self, action: Action, error: RemoteError) -> None:
        """Say once what is executed here from now on, and why."""
        address = self.settings.executor
        with self._guard:
            if isinstance(error, RemoteUnavailable | RemoteRefused):
                if self._is_away:
                    return
                self._is_away = True
                text = f"{error.message}; actions are executed on this machine"
            elif isinstance(error, Unable | NotTaken):
                if action.kind in self._kept_here:
                    return
                self._kept_here.add(action.kind)
                text = f"{error.message}; actions of kind {action.kind} are executed on this machine"
                if isinstance(error, Unable):
                    text = f"a worker of {address} cannot execute actions of kind {action.kind} ({error.message}); they are executed on this machine"
            else:
                text = f"{action.owner}: {error.message}; it is executed on this machine"
        self._tools.warn(text)

    def _there(self, request: Request) -> Result:
        service = self._opened()
        action, tools = request.action, self._tools
        parts = pack_action(request, tools)

        properties = self._properties(action)
        seconds = self.settings.queue_timeout
        job = Job(_ARGUMENTS, blobs_of(parts, tools), _OUT, properties, action.timeout, seconds)
        with self._queue.watched(action.owner, properties) as watched:

            def moved(stage: str) -> None:
                self._events.emit(ActionMoved(action.id, action.owner, action.kind, stage))
                watched(stage)

            try:
                return self._taken(request, service, service.execution.run(job, moved))
            except NotTaken as error:
                raise NotTaken(
                    f"{self.settings.executor}: {error.message}, as it needs one that has {shown(properties)}",
                    hint="start such a worker, or change remote.platform in hermes.yaml",
                ) from None
            except SecretLeaked:
                raise RemoteError("what it reads holds a secret of this build") from None
            except (Lost, MissingBlobError):  # a result whose blobs the storage has not kept
                return self._taken(request, service, service.execution.run(job, moved, fresh=True))

    def _taken(self, request: Request, service: Service, executed: Executed) -> Result:
        """Return the result of an action; raises its error, `Lost`, `MissingBlobError` and `Unable`."""
        store = self._tools.store
        if executed.status == UNABLE or RESULT not in executed.files:
            raise Unable(_last_line(executed.stderr) or f"exit status {executed.status}")
        folder = StoredFolder(service.cas, executed.files, store.scratch)
        try:
            result = admit_log(folder, request, store)
            taking = Taking(self._content, service.cas, self._address.place, self.settings.download)
            if not executed.was_cached:  # it is there again, though it may have been lost before
                self._content.lost.difference_update(one.digest for one in result.outputs.values())
            if not taking.take(result, executed.files):
                raise MissingBlobError(
                    f"{self._address.place} does not have all that the action gave", digest=request.key
                )
        finally:
            self._tell(request)
        where = executed.worker or self.settings.executor
        return replace(result, executed=not executed.was_cached, where=where)

    def _tell(self, request: Request) -> None:
        """Show what the command printed, as if it had been printed here."""
        try:
            with (
                open(self._tools.store.log_path(request.key), "rb") as file,
                whole_lines(lambda text: self._tools.printed(request.action, text)) as tell,
            ):
                while data := file.read(CHUNK):
                    tell(data)
        except FileNotFoundError:
            return


def _last_line(data: bytes) -> str:
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[0].removeprefix("error: ")[:300] if lines else ""

"""Having an action executed: what is sent, waiting for it whatever becomes of the connection, and what came of it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from hermes.digest import Digest
from hermes.errors import RemoteError
from hermes.remote.cas import Blob, Cas, Lost
from hermes.remote.channel import Channel, Failed
from hermes.remote.messages import LONGRUNNING, REAPI, messages

_EXECUTE: Final = f"/{REAPI}.Execution/Execute"
_WAIT: Final = f"/{REAPI}.Execution/WaitExecution"
_CANCEL: Final = f"/{LONGRUNNING}.Operations/CancelOperation"
_CAPABILITIES: Final = f"/{REAPI}.Capabilities/GetCapabilities"
_CODES: Final = {
    1: "CANCELLED",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    14: "UNAVAILABLE",
    15: "DATA_LOSS",
}
QUEUED: Final = "queued"
EXECUTING: Final = "executing"
_STAGES: Final = {1: "looked up", 2: QUEUED, 3: EXECUTING}
_TAKEN: Final = 3
_SECONDS_MORE: Final = 120
"""Added to the timeout of a command, which the worker itself holds, for what comes before and after it."""
_CANCEL_SECONDS: Final = 2.0


class FileThere(NamedTuple):
    """A file of a folder in the storage."""

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Executed:
    """What came of an action: its exit status, the files that it left, what it printed to standard error, and who executed it."""

    status: int
    files: Mapping[str, FileThere]
    stderr: bytes
    worker: str
    was_cached: bool


class NotTaken(RemoteError):
    """No worker took an action in time."""


def tree_of(files: Mapping[str, FileThere]) -> tuple[bytes, list[bytes]]:
    """Return the folder of some files, which are in it or one level below, and the folders in it, as messages."""
    m = messages()
    folders: dict[str, list[Any]] = {"": []}
    for path, one in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        digest = m.Digest(hash=one.digest.hex, size_bytes=one.size)
        folders.setdefault(folder, []).append(m.FileNode(name=name, digest=digest))
    below = {
        name: m.Directory(files=nodes).SerializeToString() for name, nodes in sorted(folders.items()) if name
    }
    nodes = [m.DirectoryNode(name=name, digest=_digest(data)) for name, data in below.items()]
    root = m.Directory(files=folders[""], directories=nodes).SerializeToString()
    return root, list(below.values())


def files_in(
    directory: bytes, folders: Mapping[str, bytes], prefix: str = ""
) -> Iterator[tuple[str, FileThere]]:
    """Yield the files of a folder by their paths; ``folders`` maps the hashes of those in it to their messages."""
    m = messages()
    found = m.Directory.FromString(directory)
    for one in found.files:
        yield f"{prefix}{one.name}", FileThere(Digest.from_hex(one.digest.hash), one.digest.size_bytes)
    for one in found.directories:
        yield from files_in(folders[one.digest.hash], folders, f"{prefix}{one.name}/")


def _digest(data: bytes) -> Any:
    return messages().Digest(hash=Digest.of(data).hex, size_bytes=len(data))


def blob_of(data: bytes) -> Blob:
    """Return some bytes as a blob to be sent."""
    return Blob(Digest.of(data), len(data), lambda: (data,))


@dataclass(frozen=True, slots=True)
class Job:
    """An action to be executed: ``arguments`` in a folder of ``blobs`` by their paths, which leaves the folder ``output``.

    ``platform`` are the properties that a worker must have; ``timeout`` is in seconds, and so is ``queue_timeout``, within which a
    worker must take it unless that is 0.
    """

    arguments: Sequence[str]
    blobs: Mapping[str, Blob]
    output: str
    platform: Mapping[str, str]
    timeout: int | None = None
    queue_timeout: int = 0


class Execution:
    """The execution service. Safe to use from several threads."""

    def __init__(self, channel: Channel, cas: Cas) -> None:
        self._channel = channel
        self._cas = cas
        self._instance = channel.address.instance
        self._guard = threading.Lock()
        self._waited_for: set[str] = set()

    def can_execute(self) -> bool:
        """Ask whether this is an execution service at all; raises as `Channel.unary`."""
        m = messages()
        request = m.GetCapabilitiesRequest(instance_name=self._instance)
        answer = self._channel.unary(_CAPABILITIES, request, m.ServerCapabilities)
        return bool(answer.execution_capabilities.exec_enabled)

    def run(self, job: Job, moved: Callable[[str], None], *, fresh: bool = False) -> Executed:
        """Have a job executed, or its result found unless ``fresh``; ``moved`` is told of stages.

        Inputs that the storage has lost are sent again. Raises `RemoteError`, `NotTaken` where no worker takes it in time, and
        `Lost` when the list of outputs is not there any more.
        """
        m = messages()
        properties = [m.Property(name=name, value=value) for name, value in sorted(job.platform.items())]
        platform = m.Platform(properties=properties)
        command = m.Command(arguments=job.arguments, output_paths=[job.output], platform=platform)
        root, folders = tree_of({path: FileThere(one.digest, one.size) for path, one in job.blobs.items()})
        action = m.Action(
            command_digest=_digest(command.SerializeToString()),
            input_root_digest=_digest(root),
            platform=platform,
        )
        if job.timeout is not None:
            action.timeout.CopyFrom(m.Duration(seconds=job.timeout + _SECONDS_MORE))
        data = action.SerializeToString()
        documents = [blob_of(one) for one in (data, command.SerializeToString(), root, *folders)]
        blobs = [*job.blobs.values(), *documents]
        moved("sending")
        for tries in range(3, -1, -1):
            self._cas.send(blobs)
            try:
                return self._executed(data, job, moved, fresh=fresh)
            except Failed as error:
                if error.code != "FAILED_PRECONDITION" or not tries:
                    raise
                self._cas.forget(_missing_in(error.status_details) or [one.digest for one in blobs])
        raise AssertionError

    def _executed(self, action: bytes, job: Job, moved: Callable[[str], None], *, fresh: bool) -> Executed:
        m = messages()
        output = job.output
        response = self._response(action, job.queue_timeout, moved, fresh=fresh)
        if response.status.code:
            raise _failed(response.status)
        result = response.result
        files = {
            one.path.removeprefix(f"{output}/"): FileThere(
                Digest.from_hex(one.digest.hash), one.digest.size_bytes
            )
            for one in result.output_files
        }
        for one in result.output_directories:
            if one.path == output:
                digest = Digest.from_hex(one.tree_digest.hash)
                tree = m.Tree.FromString(self._cas.read(digest, one.tree_digest.size_bytes))
                folders = [folder.SerializeToString() for folder in tree.children]
                by_hash = {Digest.of(folder).hex: folder for folder in folders}
                files.update(files_in(tree.root.SerializeToString(), by_hash))
        stderr = result.stderr_raw
        if not stderr and result.stderr_digest.size_bytes:
            stderr = self._printed(result.stderr_digest)
        return Executed(
            result.exit_code, files, stderr, result.execution_metadata.worker, response.cached_result
        )

    def _printed(self, digest: Any) -> bytes:
        try:
            return self._cas.read(Digest.from_hex(digest.hash), digest.size_bytes)
        except Lost:
            return b""

    def _response(
        self, action: bytes, queue_timeout: int, moved: Callable[[str], None], *, fresh: bool
    ) -> Any:
        """Wait for the answer to an action, which is asked for again wherever the connection or the service is lost."""
        m = messages()
        execute = m.ExecuteRequest(
            instance_name=self._instance, action_digest=_digest(action), skip_cache_lookup=fresh
        )
        name, began, pause = "", time.monotonic(), 0.2
        until = began + queue_timeout if queue_timeout else None
        try:
            while True:
                deadline = max(0.1, until - time.monotonic()) if until is not None else None
                method, request = (_WAIT, m.WaitExecutionRequest(name=name)) if name else (_EXECUTE, execute)
                try:
                    for operation in self._channel.stream(method, request, m.Operation, deadline=deadline):
                        name, began, pause = self._named(name, operation.name), time.monotonic(), 0.2
                        if operation.done:
                            return _answer(operation)
                        metadata = m.ExecuteOperationMetadata()
                        if operation.metadata.Unpack(metadata) and (stage := _STAGES.get(metadata.stage)):
                            until = None if metadata.stage >= _TAKEN else until
                            moved(stage)
                    failed = Failed("the stream ended before the action did", "UNAVAILABLE")
                except Failed as error:
                    if until is not None and time.monotonic() >= until:
                        self._cancel([name] if name else [])
                        raise NotTaken(f"no worker took it within {queue_timeout} s") from None
                    if deadline is not None and until is None and error.code == "DEADLINE_EXCEEDED":
                        continue  # it is executed by now, however long that takes
                    if name and error.code in ("NOT_FOUND", "UNIMPLEMENTED", "INVALID_ARGUMENT"):
                        name = ""
                        failed = Failed("the service has lost the action", "UNAVAILABLE")
                    else:
                        failed = error
                self._channel.pause_after(failed, began, pause)
                pause = min(pause * 2, 3.0)
        finally:
            self._named(name, "")

    def _named(self, before: str, name: str) -> str:
        """Note which operation is waited for, instead of the one before."""
        if name != before:
            with self._guard:
                self._waited_for.discard(before)
                if name:
                    self._waited_for.add(name)
        return name

    def cancel(self) -> None:
        """Tell the service that nobody waits for its operations any more, if it listens."""
        with self._guard:
            names = list(self._waited_for)
        self._cancel(names)

    def _cancel(self, names: Sequence[str]) -> None:
        m = messages()
        calls = [
            self._channel.once(_CANCEL, m.CancelOperationRequest(name=name), m.Empty, _CANCEL_SECONDS)
            for name in names
        ]
        end = time.monotonic() + _CANCEL_SECONDS
        for call in calls:
            with contextlib.suppress(Exception):  # the build has ended anyway
                call.result(max(0, end - time.monotonic()))


def _answer(operation: Any) -> Any:
    m = messages()
    response = m.ExecuteResponse()
    if operation.response.Unpack(response):
        return response
    if operation.error.code:
        raise _failed(operation.error)
    raise RemoteError("the service ended the action without a result")


def _failed(status: Any) -> Failed:
    code = _CODES.get(status.code, "UNKNOWN")
    text = " ".join(status.message.split())[:500] or code.lower().replace("_", " ")
    return Failed(text, code, status.SerializeToString())


def _missing_in(details: bytes) -> list[Digest]:
    """Return the blobs that the details of a status say are missing: ``blobs/HASH/SIZE``."""
    m = messages()
    found = []
    try:
        status = m.Status.FromString(details)
    except ValueError:
        return []
    for one in status.details:
        failure = m.PreconditionFailure()
        if one.Unpack(failure):
            for violation in failure.violations:
                parts = violation.subject.split("/")
                if violation.type == "MISSING" and len(parts) >= 3 and len(parts[-2]) == 64:
                    found.append(Digest.from_hex(parts[-2]))
    return found


def missing_status(digests: Iterable[tuple[Digest, int]]) -> Any:
    """Return the status of an action whose inputs are missing, as `Execution.run` understands it."""
    m = messages()
    violations = [
        m.Violation(type="MISSING", subject=f"blobs/{digest.hex}/{size}") for digest, size in digests
    ]
    packed = m.Any()
    packed.Pack(m.PreconditionFailure(violations=violations))
    return m.Status(code=9, message="inputs are missing", details=[packed])

"""Calls of a remote service: one channel, deadlines, and what is asked again.

Calls that fail because the service is away, or busy, are made again with growing pauses, for as long as the service has
been of no use for less than ``patience`` seconds. What it refuses is never asked again.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hermes.errors import BuildInterrupted, RemoteError, RemoteRefused, RemoteUnavailable
from hermes.remote.address import Address
from hermes.remote.credentials import CredentialHelper
from hermes.version import __version__

if TYPE_CHECKING:
    import grpc

T = TypeVar("T")

PATIENCE: Final = 60.0
"""Seconds without progress after which a service counts as unavailable."""
DEADLINE: Final = 60.0
"""Seconds after which a call that gives one answer is made again."""
CONNECT: Final = 5.0
"""Seconds that the first connection may take."""

_AHEAD: Final = 2 << 20
"""How many bytes of a stream a service sends ahead of what is read: 100 MB/s where a round trip takes 20 ms."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 3.0
_AGAIN: Final = frozenset({"UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"})
_REFUSED: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_SILENT: Final = 3
"""After how many deadlines in a row a service counts as unavailable."""


class Failed(RemoteError):
    """A call ended with a status that its caller may know what to do about; ``code`` is its name in gRPC."""

    def __init__(self, message: str, code: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.status_details = details


class Channel:
    """A connection with a service. Safe to use from several threads.

    ``cancelled`` ends what waits for another try, ``close`` what waits for an answer. Making one raises `RemoteError` where
    grpcio is not installed or a file of certificates cannot be read.
    """

    def __init__(
        self,
        address: Address,
        cancelled: threading.Event | None = None,
        *,
        deadline: float = DEADLINE,
        patience: float = PATIENCE,
    ) -> None:
        self.address = address
        self.deadline = deadline
        self.cancelled = cancelled or threading.Event()
        self._patience = patience
        self._guard = threading.Lock()
        self._closed = False
        self._worked = False
        self._silent = 0
        self._helper = CredentialHelper(address.helper) if address.helper else None
        self._grpc = _open(address)

    def close(self) -> None:
        """End all calls."""
        with self._guard:
            self._closed = True
        self._grpc.close()

    def unary(self, method: str, request: Any, answer: Any, *, deadline: float | None = None) -> Any:
        """Return the answer, a message of the class ``answer``, to a request.

        Raises `Failed`, `RemoteRefused`, `RemoteUnavailable` and `BuildInterrupted`.
        """
        call = self._grpc.unary_unary(
            method, request_serializer=_serialized, response_deserializer=answer.FromString
        )
        seconds = deadline or self.deadline
        return self.again(lambda: call(request, timeout=seconds, metadata=self._headers(method)))

    def _headers(self, method: str) -> tuple[tuple[str, str], ...]:
        """Return the headers of a call; raises `RemoteError` where a credential helper has none."""
        if self._helper is None:
            return self.address.headers
        return (*self.address.headers, *self._helper.headers(self.address.uri(method)))

    def once(self, method: str, request: Any, answer: Any, deadline: float) -> grpc.Future:
        """Begin a call that is made once, and may be cancelled."""
        call = self._grpc.unary_unary(
            method, request_serializer=_serialized, response_deserializer=answer.FromString
        )
        return call.future(request, timeout=deadline, metadata=self._headers(method))

    def stream(
        self, method: str, request: Any, answer: Any, *, deadline: float | None = None
    ) -> Iterator[Any]:
        """Yield the answers to a request, which is made once; raises as `failure` says."""
        call = self._grpc.unary_stream(
            method, request_serializer=_serialized, response_deserializer=answer.FromString
        )
        answers = call(request, timeout=deadline, metadata=self._headers(method))
        try:
            for one in answers:
                self.works()
                yield one
        except self.rpc_error as error:
            raise self.failure(error) from None
        finally:
            answers.cancel()

    def sending(self, method: str, requests: Iterator[Any], answer: Any) -> Any:
        """Return the answer to a stream of requests, which is sent once; raises as `failure` says."""
        call = self._grpc.stream_unary(
            method, request_serializer=_serialized, response_deserializer=answer.FromString
        )
        try:
            found = call(requests, metadata=self._headers(method))
        except self.rpc_error as error:
            raise self.failure(error) from None
        self.works()
        return found

    def again(self, do: Callable[[], T]) -> T:
        """Do something until it succeeds or fails for good; see the module."""
        began = time.monotonic()
        pause = _FIRST_PAUSE
        while True:
            try:
                found = do()
            except self.rpc_error as error:
                failed = self.failure(error)
            except Failed as error:
                failed = error
            else:
                self.works()
                return found
            self.pause_after(failed, began, pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def pause_after(self, failed: RemoteError, began: float, pause: float) -> None:
        """Wait before another try; raises ``failed`` where that would be of no use."""
        if not isinstance(failed, Failed) or failed.code not in _AGAIN:
            raise failed
        self._silent = self._silent + 1 if failed.code == "DEADLINE_EXCEEDED" else 0
        patience = self._patience if self._worked else min(CONNECT, self._patience)
        if time.monotonic() - began > patience or self._silent >= _SILENT:
            raise RemoteUnavailable(
                f"{self.address.text}: {failed.message}",
                hint="check the address and the network, or build without it",
            )
        if self.cancelled.wait(pause * random.uniform(0.5, 1)):  # noqa: S311 - no secret
            raise BuildInterrupted

    def works(self) -> None:
        """Note that the service has just answered."""
        if self._helper is not None:
            self._helper.worked()
        self._worked = True
        self._silent = 0

    @property
    def rpc_error(self) -> type[Exception]:
        import grpc

        found: type[Exception] = grpc.RpcError
        return found

    def failure(self, error: Any) -> RemoteError:
        """Return the error for one of gRPC; raises `BuildInterrupted` in a build that was."""
        code = error.code().name if error.code() is not None else "UNKNOWN"
        with self._guard:
            if self._closed or self.cancelled.is_set():
                raise BuildInterrupted
        said = " ".join((error.details() or code.lower().replace("_", " ")).split())[:500]
        if code == "UNAUTHENTICATED" and self._helper is not None and self._helper.has_others():
            return Failed(said, "UNAVAILABLE")
        if code in _REFUSED:
            return RemoteRefused(
                f"{self.address.text} refused the call: {said}",
                hint="check the credentials: --remote-header, --credential-helper, or header_env in hermes.yaml",
            )
        details = b""
        for name, value in error.trailing_metadata() or ():
            if name == "grpc-status-details-bin":
                details = value
        return Failed(said, code, details)


def _serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _open(address: Address) -> Any:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import grpc
    except ImportError:
        raise RemoteError(
            "remote caches and executors need grpcio and protobuf",
            hint="pip install 'hermes-build[remote]'",
        ) from None
    options = [
        ("grpc.primary_user_agent", f"hermes/{__version__}"),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.http2.bdp_probe", 0),  # which lets a fast service fill the memory
        ("grpc.http2.lookahead_bytes", _AHEAD),
    ]
    if not address.is_secure:
        return grpc.insecure_channel(address.target, options)
    tls = address.tls
    try:
        ca, key, cert = (path.read_bytes() if path else None for path in (tls.ca, tls.key, tls.cert))
    except OSError as error:
        raise RemoteError(f"{error.filename}: {error.strerror}") from None
    return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(ca, key, cert), options)

"""A proxy in front of a build service that answers wrongly, late or not at all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc

from hermes.remote.messages import messages

Lie = Callable[["Proxy", str, Any], Iterator[bytes] | None]
"""Called with the name of a method and its context; yields the answers instead of the service's, or returns None."""


class Proxy(grpc.GenericRpcHandler):
    """Passes all calls on; ``lie`` may answer instead, and ``change`` changes the content that is read.

    Without ``inline`` results come without the files that go with them, so that these are read as well.
    With ``tls``, the files of `make_ca`, clients must have a certificate.
    """

    def __init__(
        self,
        target: str,
        lie: Lie = lambda proxy, method, context: None,
        change: Callable[[int, bytes], bytes | None] | None = None,
        tls: Mapping[str, Path] | None = None,
        *,
        inline: bool = True,
    ) -> None:
        self.calls: Counter[str] = Counter()
        self._lie = lie
        self._change = change
        self._inline = inline
        self._channel = grpc.insecure_channel(target)
        self._stopped = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(32))
        self._server.add_generic_rpc_handlers((self,))
        if tls is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
            self.url = f"grpc://127.0.0.1:{self.port}"
        else:
            pair = tls["server.key"].read_bytes(), tls["server.pem"].read_bytes()
            credentials = grpc.ssl_server_credentials([pair], tls["ca.pem"].read_bytes(), True)
            self.port = self._server.add_secure_port("127.0.0.1:0", credentials)
            self.url = f"grpcs://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.stop(0)
        self._channel.close()

    def service(self, details: Any) -> Any:
        method = details.method
        name = method.rpartition("/")[2]
        if name in ("Execute", "WaitExecution", "Read"):
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self._streamed(method, request, context)
            )
        if name == "Write":
            return grpc.stream_unary_rpc_method_handler(
                lambda requests, context: self._one(method, requests, context, sent=True)
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._one(method, request, context)
        )

    def silence(self) -> None:
        """Wait until the test has ended."""
        self._stopped.wait(60)

    def _streamed(self, method: str, request: bytes, context: Any) -> Iterator[bytes]:
        name = method.rpartition("/")[2]
        self.calls[name] += 1
        if (answers := self._lie(self, name, context)) is not None:
            yield from answers
            return
        number = self.calls[name]
        try:
            for answer in self._channel.unary_stream(method)(request):
                if name == "Read" and self._change is not None:
                    m = messages()
                    changed = self._change(number, m.ReadResponse.FromString(answer).data)
                    if changed is None:
                        return
                    yield m.ReadResponse(data=changed).SerializeToString()
                else:
                    yield answer
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())

    def _one(self, method: str, request: Any, context: Any, *, sent: bool = False) -> bytes:
        name = method.rpartition("/")[2]
        self.calls[name] += 1
        if (answers := self._lie(self, name, context)) is not None:
            return next(answers)
        call = self._channel.stream_unary(method) if sent else self._channel.unary_unary(method)
        try:
            found: bytes = call(request)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())
        if name == "GetActionResult" and not self._inline:
            result = messages().ActionResult.FromString(found)
            result.stdout_raw = result.stdout_raw.partition(b"\n")[0]
            return bytes(result.SerializeToString())
        if name == "BatchReadBlobs" and self._change is not None:
            return self._changed(self._change, self.calls[name], found)
        return found

    @staticmethod
    def _changed(change: Callable[[int, bytes], bytes | None], number: int, answer: bytes) -> bytes:
        m = messages()
        kept = m.BatchReadBlobsResponse()
        for one in m.BatchReadBlobsResponse.FromString(answer).responses:
            data = change(number, one.data)
            if data is not None:
                kept.responses.append(m.Read(digest=one.digest, data=data, status=one.status))
        return bytes(kept.SerializeToString())


def refusing(code: Any, *methods: str, times: int = 1 << 30) -> Lie:
    """Refuse calls of some methods, or all, the first ``times`` times."""
    refused: Counter[str] = Counter()

    def lie(proxy: Proxy, method: str, context: Any) -> Iterator[bytes] | None:
        if (methods and method not in methods) or refused[method] >= times:
            return None
        refused[method] += 1
        context.abort(code, "said by the test")
        return None

    return lie


def silent(*methods: str) -> Lie:
    """Never answer calls of some methods."""

    def lie(proxy: Proxy, method: str, context: Any) -> Iterator[bytes] | None:
        if method in methods:
            proxy.silence()
            context.abort(grpc.StatusCode.UNAVAILABLE, "too late")
        return None

    return lie


def only_with(header: str, values: Collection[str]) -> Lie:
    """Refuse calls without one of some values of a header."""

    def lie(proxy: Proxy, method: str, context: Any) -> Iterator[bytes] | None:
        if dict(context.invocation_metadata()).get(header) not in values:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "said by the test")
        return None

    return lie


def slow(seconds: float) -> Lie:
    """Answer late."""

    def lie(proxy: Proxy, method: str, context: Any) -> Iterator[bytes] | None:
        time.sleep(seconds)
        return None

    return lie

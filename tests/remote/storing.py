"""A cache of the Remote Execution API in memory, which speaks zstd on the wire as BuildGrid 0.4.4 does not, or lies in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
import zstandard

from hermes.remote.messages import messages

ZSTD = 1
_PIECE = 256 << 10
_HANDLERS = {
    "GetCapabilities": "_capabilities",
    "FindMissingBlobs": "_missing",
    "BatchUpdateBlobs": "_update",
    "BatchReadBlobs": "_read_batch",
    "GetActionResult": "_result",
    "UpdateActionResult": "_keep_result",
}


class Cache(grpc.GenericRpcHandler):
    """See the module. ``change`` changes what a blob is compressed; ``cuts`` is how many reads end after a piece.

    ``arrived`` maps the forms in which blobs came, and ``sent`` those in which they went, to bytes on the wire.
    """

    def __init__(self, change: Callable[[bytes], bytes] = lambda data: data, cuts: int = 0) -> None:
        self.blobs: dict[str, bytes] = {}
        self.results: dict[str, bytes] = {}
        self.arrived: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.offsets: list[int] = []
        self._change = change
        self._cuts = cuts
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((self,))
        self.url = f"grpc://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0)

    def service(self, details: Any) -> Any:
        name = details.method.rpartition("/")[2]
        m = messages()
        if name == "Read":
            return grpc.unary_stream_rpc_method_handler(
                self._read, m.ReadRequest.FromString, m.ReadResponse.SerializeToString
            )
        if name == "Write":
            return grpc.stream_unary_rpc_method_handler(
                self._write, m.WriteRequest.FromString, m.WriteResponse.SerializeToString
            )
        request = getattr(m, f"{name}Request")
        return grpc.unary_unary_rpc_method_handler(
            getattr(self, _HANDLERS[name]), request.FromString, lambda answer: answer.SerializeToString()
        )

    def _capabilities(self, request: Any, context: Any) -> Any:
        m = messages()
        cache = m.CacheCapabilities(
            digest_functions=[1],
            action_cache_update_capabilities=m.ActionCacheUpdateCapabilities(update_enabled=True),
            supported_compressors=[ZSTD],
            supported_batch_update_compressors=[ZSTD],
        )
        return m.ServerCapabilities(cache_capabilities=cache)

    def _missing(self, request: Any, context: Any) -> Any:
        missing = [one for one in request.blob_digests if one.hash not in self.blobs]
        return messages().FindMissingBlobsResponse(missing_blob_digests=missing)

    def _update(self, request: Any, context: Any) -> Any:
        m = messages()
        rows = []
        for one in request.requests:
            self._store(one.digest.hash, one.digest.size_bytes, one.data, one.compressor == ZSTD)
            rows.append(m.Updated(digest=one.digest))
        return m.BatchUpdateBlobsResponse(responses=rows)

    def _read_batch(self, request: Any, context: Any) -> Any:
        m = messages()
        rows = []
        for one in request.digests:
            if one.hash in self.blobs:
                data = self._compressed(one.hash)
                self.sent["batch"] += len(data)
                rows.append(m.Read(digest=one, data=data, compressor=ZSTD))
            else:
                rows.append(m.Read(digest=one, status=m.Status(code=5)))
        assert list(request.acceptable_compressors) == [ZSTD]
        return m.BatchReadBlobsResponse(responses=rows)

    def _result(self, request: Any, context: Any) -> Any:
        if request.action_digest.hash not in self.results:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such result")
        return messages().ActionResult.FromString(self.results[request.action_digest.hash])

    def _keep_result(self, request: Any, context: Any) -> Any:
        assert all(one.digest.hash in self.blobs for one in request.action_result.output_files)
        self.results[request.action_digest.hash] = request.action_result.SerializeToString()
        return request.action_result

    def _write(self, requests: Iterator[Any], context: Any) -> Any:
        first = next(requests)
        _, _, *form, name, size = first.resource_name.split("/")
        parts = [first.data]
        for one in requests:
            assert one.write_offset == sum(map(len, parts))
            parts.append(one.data)
        self._store(name, int(size), b"".join(parts), form == ["compressed-blobs", "zstd"])
        return messages().WriteResponse(committed_size=-1)

    def _read(self, request: Any, context: Any) -> Iterator[Any]:
        *form, name, _ = request.resource_name.split("/")
        assert form == ["compressed-blobs", "zstd"]
        self.offsets.append(request.read_offset)
        data = self._compressed(name, request.read_offset)
        for at in range(0, len(data), _PIECE):
            self.sent["stream"] += len(data[at : at + _PIECE])
            yield messages().ReadResponse(data=data[at : at + _PIECE])
            if self._cuts:
                self._cuts -= 1
                context.abort(grpc.StatusCode.UNAVAILABLE, "cut")

    def _store(self, name: str, size: int, data: bytes, is_compressed: bool) -> None:
        self.arrived["zstd" if is_compressed else "plain"] += len(data)
        content = zstandard.ZstdDecompressor().decompressobj().decompress(data) if is_compressed else data
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (name, size)
        self.blobs[name] = content

    def _compressed(self, name: str, start: int = 0) -> bytes:
        return self._change(zstandard.ZstdCompressor().compress(self.blobs[name][start:]))

"""The content-addressable storage: which blobs it has, and sending and fetching them.

Small blobs travel together, large ones in streams that go on where they were cut, compressed where the service offers that.
Whatever arrives is hashed. A blob is sent once however many threads want it sent.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Final, NamedTuple

from hermes.digest import Digest
from hermes.errors import BuildInterrupted, RemoteError
from hermes.remote.capabilities import Capabilities, capabilities
from hermes.remote.channel import Channel, Failed
from hermes.remote.compressing import NAME, ZSTD, NotZstd, compressed, opened, opened_whole
from hermes.remote.messages import BYTESTREAM, REAPI, messages
from hermes.store.locks import KeyLocks

_STORAGE: Final = f"/{REAPI}.ContentAddressableStorage"
_READ: Final = f"/{BYTESTREAM}.ByteStream/Read"
_WRITE: Final = f"/{BYTESTREAM}.ByteStream/Write"
_QUERY: Final = f"/{BYTESTREAM}.ByteStream/QueryWriteStatus"

MOST_BATCHED: Final = 500
"""How many blobs are in one call."""
_BATCH: Final = 2 << 20
"""Bytes of content that travel in one call; servers take messages of 4 MiB."""
_SMALL: Final = 1 << 20
_PIECE: Final = 1 << 20
_OVERHEAD: Final = 100
_WORTH_COMPRESSING: Final = 512
"""Bytes of a small blob from which on it is compressed."""
_TRIES: Final = 8


class Blob(NamedTuple):
    """A blob to be sent; ``content`` gives its bytes from the start each time."""

    digest: Digest
    size: int
    content: Callable[[], Iterable[bytes]]


class Lost(RemoteError):
    """The storage does not have a blob, ``digest``, or has other bytes."""

    def __init__(self, message: str, digest: Digest) -> None:
        super().__init__(message)
        self.digest = digest


class Traffic:
    """Counts the bytes of content that went there and came from there."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.up = 0
        self.down = 0

    def add(self, *, up: int = 0, down: int = 0) -> None:
        with self._guard:
            self.up += up
            self.down += down


class Cas:
    """The storage of a service. Safe to use from several threads.

    With ``locks``, a large blob that several processes want sent is sent by one of them, while the others wait.
    """

    def __init__(self, channel: Channel, locks: KeyLocks | None = None) -> None:
        self.channel = channel
        self._locks = locks
        self.traffic = Traffic()
        self._instance = channel.address.instance
        self._guard = threading.Lock()
        self._seen: set[Digest] = set()
        self._sending: dict[Digest, threading.Event] = {}
        self._reads_batches = True
        self._asking = threading.Lock()
        self._able: Capabilities | None = None

    @property
    def _capabilities(self) -> Capabilities:
        """What the service can do, which is asked once; nothing special for one that does not say."""
        with self._asking:
            if self._able is None:
                try:
                    self._able = capabilities(self.channel)
                except Failed:
                    self._able = Capabilities()
            return self._able

    def missing(self, blobs: Iterable[tuple[Digest, int]]) -> set[Digest]:
        """Return the digests of those blobs, given with their sizes in bytes, that the storage lacks."""
        m = messages()
        found: set[Digest] = set()
        rows = [m.Digest(hash=digest.hex, size_bytes=size) for digest, size in dict(blobs).items()]
        for start in range(0, len(rows), 10 * MOST_BATCHED):
            request = m.FindMissingBlobsRequest(
                instance_name=self._instance, blob_digests=rows[start : start + 10 * MOST_BATCHED]
            )
            answer = self.channel.unary(f"{_STORAGE}/FindMissingBlobs", request, m.FindMissingBlobsResponse)
            found.update(Digest.from_hex(one.hash) for one in answer.missing_blob_digests)
        return found

    def has_seen(self, digest: Digest) -> bool:
        """Tell whether the storage had a blob at some time since this was made."""
        return digest in self._seen

    def note(self, digests: Iterable[Digest]) -> None:
        """Note blobs that the storage has."""
        with self._guard:
            self._seen.update(digests)

    def forget(self, digests: Iterable[Digest]) -> None:
        """Forget that the storage had some blobs."""
        with self._guard:
            self._seen.difference_update(digests)

    def send(self, blobs: Iterable[Blob]) -> None:
        """Send the blobs that the storage lacks; raises what giving their bytes raises, and as `Channel.unary`."""
        mine: list[Blob] = []
        others: list[threading.Event] = []
        with self._guard:
            for one in {blob.digest: blob for blob in blobs}.values():
                if one.digest in self._seen:
                    continue
                if event := self._sending.get(one.digest):
                    others.append(event)
                else:
                    self._sending[one.digest] = threading.Event()
                    mine.append(one)
        try:
            self._send(mine)
            self.note(one.digest for one in mine)
        finally:
            with self._guard:
                for one in mine:
                    self._sending.pop(one.digest).set()
        for event in others:
            event.wait()
        if others:  # who sent them may have failed
            self.send(one for one in blobs if not self.has_seen(one.digest))

    def _send(self, blobs: Sequence[Blob]) -> None:
        if not blobs:
            return
        missing = self.missing((one.digest, one.size) for one in blobs)
        wanted = [one for one in blobs if one.digest in missing]
        small = [one for one in wanted if one.size <= _SMALL]
        for batch in self._batches(small) if small else ():
            self._send_batch(batch)
        for one in wanted:
            if one.size > _SMALL:
                self._send_large(one)

    def _send_large(self, blob: Blob) -> None:
        """Send a blob, unless another process of this machine is doing that."""
        has_waited = False

        def wait() -> None:
            nonlocal has_waited
            has_waited = True
            if self.channel.cancelled.is_set():
                raise BuildInterrupted

        name = f"send {blob.digest} to {self.channel.address.place}"
        with self._locks.held(name, waiting=wait) if self._locks else nullcontext():
            if not has_waited or self.missing([(blob.digest, blob.size)]):
                self._send_stream(blob)

    def _send_batch(self, batch: Sequence[Blob]) -> None:
        m = messages()
        requests = [self._update(one) for one in batch]
        request = m.BatchUpdateBlobsRequest(instance_name=self._instance, requests=requests)
        answer = self.channel.unary(f"{_STORAGE}/BatchUpdateBlobs", request, m.BatchUpdateBlobsResponse)
        by_hash = {one.digest.hex: one for one in batch}
        for one in answer.responses:
            blob = by_hash.pop(one.digest.hash, None)
            if blob is not None and one.status.code:
                self._send_stream(blob)
        if by_hash:
            raise RemoteError(f"{self.channel.address.text} did not say what became of {len(by_hash)} blobs")
        self.traffic.add(up=sum(one.size for one in batch))

    def _update(self, blob: Blob) -> Any:
        """Return a blob as the part of a batch that it is sent in."""
        m = messages()
        data, compressor = b"".join(blob.content()), 0
        if len(data) >= _WORTH_COMPRESSING and self._capabilities.batches_zstd:
            data, compressor = b"".join(compressed((data,))), ZSTD
        digest = m.Digest(hash=blob.digest.hex, size_bytes=blob.size)
        return m.Update(digest=digest, data=data, compressor=compressor)

    def _send_stream(self, blob: Blob) -> None:
        m = messages()
        is_compressed = self._capabilities.has_zstd
        form = f"compressed-blobs/{NAME}" if is_compressed else "blobs"
        name = self._name(f"uploads/{uuid.uuid4()}/{form}/{blob.digest.hex}/{blob.size}")
        wrong: list[BaseException] = []

        def requests(start: int) -> Iterator[Any]:
            try:
                pieces = _compressed_pieces(blob) if is_compressed else _pieces(blob, start)
                for data, offset, is_last in pieces:
                    yield m.WriteRequest(
                        resource_name=name, write_offset=offset, data=data, finish_write=is_last
                    )
            except BaseException as error:
                wrong.append(error)
                raise

        def write() -> None:
            start = self._committed(name) if tried and not is_compressed else 0
            tried.append(start)
            try:
                answer = self.channel.sending(_WRITE, requests(start), m.WriteResponse)
            except RemoteError:
                if wrong:
                    raise wrong[0] from None
                raise
            if not is_compressed and answer.committed_size not in (blob.size, -1):
                raise Failed(f"{answer.committed_size} of {blob.size} bytes were stored", "ABORTED")

        tried: list[int] = []
        self.channel.again(write)
        self.traffic.add(up=blob.size)

    def _committed(self, name: str) -> int:
        """Return how many bytes of a stream that was cut were kept."""
        m = messages()
        try:
            answer = self.channel.unary(
                _QUERY, m.QueryWriteStatusRequest(resource_name=name), m.QueryWriteStatusResponse
            )
        except Failed:
            return 0
        return 0 if answer.complete else int(answer.committed_size)

    def read_small(self, blobs: Iterable[tuple[Digest, int]]) -> dict[Digest, bytes]:
        """Return small blobs, given with their sizes in bytes, by as few calls as can be.

        Those that are large, that a service cannot give so, or that have other bytes are left out.
        """
        found: dict[Digest, bytes] = {}
        for one in self.in_batches(blobs):
            found.update(one)
        return found

    def in_batches(self, blobs: Iterable[tuple[Digest, int]]) -> Iterator[dict[Digest, bytes]]:
        """Yield what `read_small` returns, no more than 2 MiB at a time."""
        small = [Blob(digest, size, tuple) for digest, size in dict(blobs).items() if size <= _SMALL]
        for batch in self._batches(small) if small and self._reads_batches else ():
            found = self._read_batch(batch)
            self.note(found)
            yield found
            if not self._reads_batches:
                return

    def _read_batch(self, batch: Sequence[Blob]) -> dict[Digest, bytes]:
        m = messages()
        request = m.BatchReadBlobsRequest(
            instance_name=self._instance,
            digests=[m.Digest(hash=one.digest.hex, size_bytes=one.size) for one in batch],
            acceptable_compressors=[ZSTD] if self._capabilities.has_zstd else [],
        )
        try:
            answer = self.channel.unary(f"{_STORAGE}/BatchReadBlobs", request, m.BatchReadBlobsResponse)
        except Failed as error:
            self._reads_batches = error.code != "UNIMPLEMENTED"
            return {}
        sizes = {one.digest.hex: one.size for one in batch}
        found: dict[Digest, bytes] = {}
        for one in answer.responses:
            if one.status.code or one.digest.hash not in sizes:
                continue
            data = one.data
            if one.compressor == ZSTD:
                try:
                    data = opened_whole(data, sizes[one.digest.hash])
                except NotZstd:
                    continue
            if (digest := Digest.of(data)).hex == one.digest.hash:
                found[digest] = data
                self.traffic.add(down=len(data))
        return found

    def _batches(self, blobs: Sequence[Blob]) -> Iterator[list[Blob]]:
        most = min(_BATCH, self._capabilities.largest_batch or _BATCH)
        batch: list[Blob] = []
        size = 0
        for one in blobs:
            if batch and (size + one.size > most or len(batch) >= MOST_BATCHED):
                yield batch
                batch, size = [], 0
            batch.append(one)
            size += one.size + _OVERHEAD
        if batch:
            yield batch

    def read(self, digest: Digest, size: int) -> bytes:
        """Return a blob; raises `Lost` and as `Channel.unary`."""
        found = self.read_small(((digest, size),)).get(digest)
        return b"".join(self.chunks(digest, size)) if found is None else found

    def chunks(self, digest: Digest, size: int, start: int = 0) -> Iterator[bytes]:
        """Yield a blob in pieces, from the byte ``start`` on.

        Raises `Lost`, for a whole blob at the end when these were not its bytes.
        """
        hasher = hashlib.sha256()
        done, tries, began = start, 0, time.monotonic()
        while done < size or not tries:
            tries += 1
            try:
                for data in self._stream(digest, size, done):
                    hasher.update(data)
                    done += len(data)
                    began = time.monotonic()
                    self.traffic.add(down=len(data))
                    if done > size:
                        raise self._lost(digest, "is longer than it should be")
                    yield data
                if done < size and tries >= _TRIES:
                    raise self._lost(digest, "is shorter than it should be")
            except NotZstd:
                raise self._lost(digest, "has other bytes") from None
            except Failed as error:
                if error.code in ("NOT_FOUND", "DATA_LOSS", "OUT_OF_RANGE"):
                    raise self._lost(digest, "is not there") from None
                self.channel.pause_after(error, began, 0.2)
        if not start and hasher.hexdigest() != digest.hex:
            raise self._lost(digest, "has other bytes")
        self.note((digest,))

    def _stream(self, digest: Digest, size: int, start: int) -> Iterator[bytes]:
        """Yield what one call gives of a blob; raises `NotZstd` and as `Channel.stream`."""
        m = messages()
        is_compressed = self._capabilities.has_zstd
        form = f"compressed-blobs/{NAME}" if is_compressed else "blobs"
        request = m.ReadRequest(resource_name=self._name(f"{form}/{digest.hex}/{size}"), read_offset=start)
        pieces = (one.data for one in self.channel.stream(_READ, request, m.ReadResponse))
        return opened(pieces) if is_compressed else pieces

    def _lost(self, digest: Digest, problem: str) -> Lost:
        self.forget((digest,))
        return Lost(f"{self.channel.address.text}: blob {digest.short} {problem}", digest)

    def _name(self, rest: str) -> str:
        return f"{self._instance}/{rest}" if self._instance else rest


def _pieces(blob: Blob, start: int) -> Iterator[tuple[bytes, int, bool]]:
    """Yield a blob's bytes from an offset on, each piece with its offset and whether it is the last."""
    passed, offset = 0, start
    for data in blob.content():
        skipped = max(0, min(len(data), start - passed))
        passed += len(data)
        for at in range(skipped, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            yield piece, offset, offset + len(piece) == blob.size
            offset += len(piece)
    if blob.size == start:
        yield b"", start, True


def _compressed_pieces(blob: Blob) -> Iterator[tuple[bytes, int, bool]]:
    """Yield what a blob is compressed, as `_pieces` does with its bytes."""
    offset = 0
    for data in compressed(blob.content()):
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            yield piece, offset, False
            offset += len(piece)
    yield b"", offset, True

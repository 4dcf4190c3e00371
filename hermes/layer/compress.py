"""Compression of layers: the same bytes in give the same bytes out, on any machine and any number of cores.

zstd (RFC 8878) cuts what it is given into jobs of a fixed size, so the number of workers does not show;
gzip (RFC 1952) is a series of members of a fixed size, each compressed by libdeflate on its own.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

from hermes.digest import CHUNK, Digest
from hermes.errors import UsageError

if TYPE_CHECKING:
    from concurrent.futures import Future

_ZSTD_JOB: Final = 4 << 20
_GZIP_MEMBER: Final = 1 << 20
_MOST_WORKERS: Final = 8

Write = Callable[[bytes | bytearray], None]


class Encoder(Protocol):
    """Compresses a stream: give it all pieces with `write`, then call `finish` once."""

    def write(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to compress a layer. ``name`` is ``zstd`` or ``gzip``."""

    name: str
    level: int

    @property
    def identity(self) -> str:
        """Everything that decides the compressed bytes: encoder, its version and its parameters."""
        if self.name == "zstd":
            import zstandard

            version = ".".join(map(str, zstandard.ZSTD_VERSION))
            return f"zstd {version} level={self.level} job={_ZSTD_JOB} whole<={CHUNK}"
        import deflate

        return f"libdeflate {deflate.__version__} gzip level={self.level} member={_GZIP_MEMBER}"

    @property
    def media_type(self) -> str:
        """The media type of a layer compressed this way; see image-spec, media-types.md."""
        return f"application/vnd.oci.image.layer.v1.tar+{self.name}"

    @property
    def spec(self) -> str:
        """A short text for this codec, which `codec_of` reads: ``zstd``, or ``zstd:19``."""
        return self.name if CODECS[self.name] == self else f"{self.name}:{self.level}"

    def encoder(self, write: Write) -> Encoder:
        """Return an encoder that hands what it makes to ``write``."""
        if self.name == "zstd":
            return _ZstdEncoder(write, self.level)
        return _GzipEncoder(write, self.level)


ZSTD: Final = Codec("zstd", 3)
GZIP: Final = Codec("gzip", 6)
CODECS: Final = {codec.name: codec for codec in (ZSTD, GZIP)}
LEVELS: Final = {"zstd": range(1, 23), "gzip": range(1, 13)}
"""The levels that each codec has: those of zstd and of libdeflate."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A blob that holds a layer's tar: compressed by ``codec``, or as it is when that is None.

    Of a blob that somebody else made nothing is known but its ``form``: ``gzip``, ``zstd`` or empty.
    """

    digest: Digest
    size: int
    codec: Codec | None
    foreign: str = ""

    @property
    def form(self) -> str:
        """How the tar is compressed: ``gzip``, ``zstd`` or empty."""
        return self.codec.name if self.codec else self.foreign


def codec_at(name: str, level: int | None) -> Codec:
    """Return a codec at a level (None: its usual one); raises `UsageError` when it has no such level."""
    if level is None:
        return CODECS[name]
    levels = LEVELS[name]
    if level not in levels:
        raise UsageError(
            f"{name} has no compression level {level}", hint=f"there are {levels[0]} to {levels[-1]}"
        )
    return Codec(name, level)


@dataclass(frozen=True, slots=True)
class Compression:
    """How layers are to be compressed. Layers that already have the codec's form stay as they are.

    ``anew``: they are compressed again all the same, for nothing tells at which level others were.
    """

    codec: Codec
    anew: bool = False

    @classmethod
    def at(cls, name: str | None, level: int | None = None) -> Self | None:
        """Return what a form and a level ask for, or None where no form is said; raises `UsageError`."""
        if name:
            return cls(codec_at(name, level), anew=level is not None)
        if level is not None:
            raise UsageError(
                "--compression-level is for a --compression", hint="say --compression zstd or gzip"
            )
        return None


def codec_of(spec: str) -> Codec | None:
    """Return the codec that `Codec.spec` names, or None for an empty text."""
    name, _, level = spec.partition(":")
    return codec_at(name, int(level) if level else None) if name else None


def _workers() -> int:
    return max(1, min(len(os.sched_getaffinity(0)), _MOST_WORKERS))


class _ZstdEncoder:
    """A stream of at most one `CHUNK` is one frame made in one call; a longer one goes to workers."""

    def __init__(self, write: Write, level: int) -> None:
        self._write = write
        self._level = level
        self._first = b""
        self._stream: zstandard.ZstdCompressionObj | None = None

    def write(self, data: bytes) -> None:
        if self._stream is None:
            if len(self._first) + len(data) <= CHUNK:
                self._first += data
                return
            self._stream = self._start()
            self._emit(self._stream.compress(self._first))
            self._first = b""
        self._emit(self._stream.compress(data))

    def finish(self) -> None:
        if self._stream is None:
            import zstandard

            self._emit(zstandard.ZstdCompressor(level=self._level).compress(self._first))
        else:
            self._emit(self._stream.flush())

    def _start(self) -> zstandard.ZstdCompressionObj:
        import zstandard

        parameters = zstandard.ZstdCompressionParameters.from_level(
            self._level, threads=_workers(), job_size=_ZSTD_JOB
        )
        return zstandard.ZstdCompressor(compression_params=parameters).compressobj()

    def _emit(self, data: bytes) -> None:
        if data:
            self._write(data)


class _GzipEncoder:
    def __init__(self, write: Write, level: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        import deflate

        self._compress = deflate.gzip_compress
        self._write = write
        self._level = level
        self._pending = bytearray()
        self._most = 2 * _workers()
        self._pool = ThreadPoolExecutor(_workers(), thread_name_prefix="gzip")
        self._members: collections.deque[Future[bytearray]] = collections.deque()
        self._empty = True

    def write(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) >= _GZIP_MEMBER:
            self._submit(bytes(self._pending[:_GZIP_MEMBER]))
            del self._pending[:_GZIP_MEMBER]

    def finish(self) -> None:
        if self._pending or self._empty:
            self._submit(bytes(self._pending))
        while self._members:
            self._write(self._members.popleft().result())
        self._pool.shutdown()

    def _submit(self, data: bytes) -> None:
        self._empty = False
        future = self._pool.submit(self._compress, data, self._level)
        self._members.append(future)
        while len(self._members) > self._most:
            self._write(self._members.popleft().result())


if TYPE_CHECKING:
    import zstandard

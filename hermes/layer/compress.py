"""Compression of layers: the same bytes in give the same bytes out, on any machine and any number of cores.

zstd (RFC 8878) cuts what it is given into jobs of a fixed size, so the number of workers does not show;
gzip (RFC 1952) is a series of members of a fixed size, each compressed by libdeflate on its own.
"""

from __future__ import annotations

import collections
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from hermes.digest import CHUNK, Digest
from hermes.errors import LayerError, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Future

_ZSTD_JOB: Final = 4 << 20
_GZIP_MEMBER: Final = 1 << 20
_MOST_WORKERS: Final = 8
_MOST_UNCOMPRESSED: Final = 64 << 30
_LARGEST_WINDOW: Final = 1 << 27

_MAGICS: Final = {
    "zstd": b"\x28\xb5\x2f\xfd",
    "gzip": b"\x1f\x8b",
    "xz": b"\xfd7zXZ\0",
    "bzip2": b"BZh",
}
_LONGEST_MAGIC: Final = max(map(len, _MAGICS.values()))

Write = Callable[[bytes | bytearray], None]


class Source(Protocol):
    """What bytes are read from: a file, or what reads one."""

    def read(self, count: int, /) -> bytes:
        """Return up to ``count`` bytes, and nothing only at the end."""
        ...


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


class Decompressed:
    """The uncompressed bytes of a file in plain, gzip, zstd, xz or bzip2 form, told apart by its magic.

    ``form`` is the name of that, or empty for a plain file. Raises `LayerError`, naming the file ``name``, where the compressed data is damaged, or is so large that
    it can only be meant to fill the disk.
    """

    def __init__(self, file: Source, *, name: str) -> None:
        self._name = name
        head = file.read(_LONGEST_MAGIC)
        while len(head) < _LONGEST_MAGIC and (more := file.read(_LONGEST_MAGIC - len(head))):
            head += more
        self.form = next((form for form, magic in _MAGICS.items() if head.startswith(magic)), "")
        self._pieces = self._checked(_PIECES[self.form](head, file))
        self._buffer = b""
        self._position = 0

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes, and nothing only at the end."""
        if self._position >= len(self._buffer):
            self._buffer = next(self._pieces, b"")
            self._position = 0
        data = self._buffer[self._position : self._position + count]
        self._position += len(data)
        return data

    def _checked(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        import lzma

        total = 0
        try:
            for data in pieces:
                total += len(data)
                if total > _MOST_UNCOMPRESSED:
                    raise LayerError(f"{self._name}: more than {_MOST_UNCOMPRESSED >> 30} GiB uncompressed")
                if data:
                    yield data
        except (zlib.error, EOFError, lzma.LZMAError) as error:
            raise LayerError(f"{self._name}: its compressed data is damaged ({error})") from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise LayerError(f"{self._name}: its compressed data is damaged ({error})") from error


def _plain_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    yield head
    while data := file.read(CHUNK):
        yield data


def _zstd_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    """Decompress frame after frame, never more than a chunk at a time: a few bytes can hold gigabytes."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    try:
        joined: Any = _Joined(head, file)
        with decompressor.stream_reader(joined, read_across_frames=True) as reader:
            while data := reader.read(CHUNK):
                yield data
    except zstandard.ZstdError as error:
        raise zlib.error(str(error)) from error


class _Joined:
    """A file of which the first bytes have been read already."""

    def __init__(self, head: bytes, file: Source) -> None:
        self._head = head
        self._file = file

    def read(self, count: int = CHUNK) -> bytes:
        if self._head:
            data, self._head = self._head, b""
            return data
        return self._file.read(count)


def _gzip_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    rest = head
    while True:
        while rest:
            if stream.eof:
                if rest.strip(b"\0") == b"":
                    rest = b""
                    break
                stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield stream.decompress(rest, CHUNK)
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
        rest = file.read(CHUNK)
        if not rest:
            break
    while not stream.eof:
        data = stream.decompress(b"", CHUNK)
        if not data and not stream.eof:
            raise EOFError("it ends too early")
        yield data


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _stream_pieces(head: bytes, file: Source, make: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Decompress xz or bzip2, which may be several streams one after the other."""
    stream = make()
    rest = head
    while True:
        if stream.eof:
            rest = stream.unused_data or file.read(CHUNK)
            if not rest.strip(b"\0"):
                return
            stream = make()
        elif stream.needs_input and not rest:
            rest = file.read(CHUNK)
            if not rest:
                raise EOFError("it ends too early")
        yield stream.decompress(rest, CHUNK)
        rest = b""


def _xz_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    import lzma

    return _stream_pieces(head, file, lzma.LZMADecompressor)


def _bzip2_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    import bz2

    return _stream_pieces(head, file, bz2.BZ2Decompressor)


_PIECES: Final[Mapping[str, Callable[[bytes, Source], Iterator[bytes]]]] = {
    "": _plain_pieces,
    "zstd": _zstd_pieces,
    "gzip": _gzip_pieces,
    "xz": _xz_pieces,
    "bzip2": _bzip2_pieces,
}

if TYPE_CHECKING:
    import zstandard

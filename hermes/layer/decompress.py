"""Decompression of files that anyone may have written, in any of the forms that layers and packages come in.

A file that is cut anywhere is refused, as by gzip, zstd, xz and bzip2.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Final, Protocol

from hermes.digest import CHUNK
from hermes.errors import LayerError

_MOST_UNCOMPRESSED: Final = 64 << 30
_LARGEST_WINDOW: Final = 1 << 27

_MAGICS: Final = {
    "zstd": b"\x28\xb5\x2f\xfd",
    "gzip": b"\x1f\x8b",
    "xz": b"\xfd7zXZ\0",
    "bzip2": b"BZh",
}
_RUN_BLOCK: Final = 1
_SKIPPABLE: Final = b"\x50\x2a\x4d\x18"
_CUT: Final = "it ends too early"
_LONGEST_MAGIC: Final = max(map(len, _MAGICS.values()))


class Source(Protocol):
    """What bytes are read from: a file, or what reads one."""

    def read(self, count: int, /) -> bytes:
        """Return up to ``count`` bytes, and nothing only at the end."""
        ...


class Decompressed:
    """The uncompressed bytes of a file in plain, gzip, zstd, xz or bzip2 form, told apart by its magic.

    ``form`` is the name of that, or empty for a plain file; where it is given (it can then be ``lzma``, too), the
    file must have it. Raises `LayerError`, naming the file ``name``, where the compressed data is damaged or cut, or is
    so large that it can only be meant to fill the disk. The last checksum is at the end: who wants to know that the
    file is whole must read until nothing comes, as `hermes.layer.archives.archive_members` does.
    """

    def __init__(self, file: Source, *, name: str, form: str | None = None) -> None:
        self._name = name
        head = file.read(_LONGEST_MAGIC)
        while len(head) < _LONGEST_MAGIC and (more := file.read(_LONGEST_MAGIC - len(head))):
            head += more
        self.form = _form_of(head) if form is None else form
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


def _form_of(head: bytes) -> str:
    return next((form for form, magic in _MAGICS.items() if head.startswith(magic)), "")


def _plain_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    yield head
    while data := file.read(CHUNK):
        yield data


def _zstd_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    """Decompress frame after frame, never more than a chunk at a time: a few bytes can hold gigabytes."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    try:
        frames = _ZstdFrames(_Joined(head, file))
        source: Any = frames
        with decompressor.stream_reader(source, read_across_frames=True) as reader:
            while data := reader.read(CHUNK):
                yield data
        frames.check()
    except zstandard.ZstdError as error:
        raise zlib.error(str(error)) from error


class _ZstdFrames:
    """Passes zstd frames on, and knows whether they end in the middle of one: see `check`.

    The stream reader of ``zstandard`` takes a cut frame for a whole one. See RFC 8878, section 3.1.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pending = bytearray()
        self._past = 0
        self._steps = self._frames()
        self._wanted = next(self._steps)
        self._between = True

    def read(self, count: int = CHUNK) -> bytes:
        data = self._source.read(count)
        at = 0
        while at < len(data):
            if self._past:
                step = min(self._past, len(data) - at)
                self._past -= step
                at += step
                continue
            step = min(self._wanted - len(self._pending), len(data) - at)
            self._pending += data[at : at + step]
            at += step
            if len(self._pending) == self._wanted:
                self._wanted = self._steps.send(bytes(self._pending))
                self._pending.clear()
        return data

    def check(self) -> None:
        """Raise `EOFError` where what was read ends in the middle of a frame."""
        if self._past or self._pending or not self._between:
            raise EOFError(_CUT)

    def _frames(self) -> Generator[int, bytes, None]:
        """Yield how many bytes are to be looked at next, once ``self._past`` bytes have gone by."""
        while True:
            magic = yield 4
            self._between = False
            if magic == _MAGICS["zstd"]:
                descriptor = (yield 1)[0]
                single = descriptor >> 5 & 1
                content_size = (single, 2, 4, 8)[descriptor >> 6]
                self._past = 1 - single + (0, 1, 2, 4)[descriptor & 3] + content_size
                last = 0
                while not last:
                    block = int.from_bytes((yield 3), "little")
                    last = block & 1
                    self._past = 1 if block >> 1 & 3 == _RUN_BLOCK else block >> 3
                self._past += 4 * (descriptor >> 2 & 1)
            elif magic[1:] == _SKIPPABLE[1:] and magic[0] & 0xF0 == _SKIPPABLE[0]:
                self._past = int.from_bytes((yield 4), "little")
            else:
                raise zlib.error("something else follows a frame")
            self._between = True


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
            raise EOFError(_CUT)
        yield data


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _stream_pieces(
    head: bytes, file: Source, make: Callable[[], _Decompressor], follows: Callable[[bytes, Source], bytes]
) -> Iterator[bytes]:
    """Decompress xz or bzip2, which may be several streams one after the other.

    ``follows`` is given what comes behind a stream, and returns the beginning of the next one or nothing.
    """
    stream = make()
    rest = head
    while True:
        if stream.eof:
            rest = follows(stream.unused_data, file)
            if not rest:
                return
            stream = make()
        elif stream.needs_input and not rest:
            rest = file.read(CHUNK)
            if not rest:
                raise EOFError(_CUT)
        yield stream.decompress(rest, CHUNK)
        rest = b""


def _xz_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    import lzma

    return _stream_pieces(head, file, lzma.LZMADecompressor, _behind_xz)


def _behind_xz(rest: bytes, file: Source) -> bytes:
    """Go past padding, which is zeros in fours; see the .xz file format, section 2.2."""
    zeros = 0
    while data := rest or file.read(CHUNK):
        rest = data.lstrip(b"\0")
        zeros += len(data) - len(rest)
        if rest:
            break
    if zeros % 4:
        raise zlib.error("its padding is not a multiple of four bytes")
    return rest


def _bzip2_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    import bz2

    return _stream_pieces(head, file, bz2.BZ2Decompressor, _behind_bzip2)


def _behind_bzip2(rest: bytes, file: Source) -> bytes:
    """Leave out what is not a stream, as bzip2 does."""
    magic = _MAGICS["bzip2"]
    while len(rest) < len(magic) and magic.startswith(rest) and (more := file.read(CHUNK)):
        rest += more
    return rest if rest.startswith(magic) or magic.startswith(rest) else b""


def _lzma_pieces(head: bytes, file: Source) -> Iterator[bytes]:
    """Decompress the form that came before xz, of which one stream is a file."""
    import lzma

    return _stream_pieces(head, file, lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE), lambda *_: b"")


_PIECES: Final[Mapping[str, Callable[[bytes, Source], Iterator[bytes]]]] = {
    "": _plain_pieces,
    "zstd": _zstd_pieces,
    "gzip": _gzip_pieces,
    "xz": _xz_pieces,
    "bzip2": _bzip2_pieces,
    "lzma": _lzma_pieces,
}

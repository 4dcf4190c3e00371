"""Content that is compressed with zstd on its way, where a service offers it.

What comes is opened piece by piece, so that a few bytes that stand for very many fill no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Final, cast

ZSTD: Final = 1
"""``Compressor.Value.ZSTD`` of the API."""
NAME: Final = "zstd"
_LEVEL: Final = 1
"""As fast as most networks, and faster still where nothing can be compressed."""
_LARGEST_WINDOW: Final = 128 << 20
_PIECE: Final = 1 << 20


class NotZstd(ValueError):
    """What came is not compressed with zstd."""


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what some pieces are compressed."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    for piece in pieces:
        if data := compressor.compress(piece):
            yield data
    yield compressor.flush()


def opened(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of compressed pieces, in pieces of at most 1 MiB; raises `NotZstd`, and as ``pieces`` does."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    reader = decompressor.stream_reader(cast("IO[bytes]", _Joined(iter(pieces))), read_across_frames=True)
    try:
        while data := reader.read1(_PIECE):
            yield data
    except zstandard.ZstdError as error:
        raise NotZstd(str(error)) from None


def opened_whole(data: bytes, size: int) -> bytes:
    """Return the content of compressed bytes, of which there should be ``size``; no more than 1 MiB beyond is made.

    Raises `NotZstd`.
    """
    found: list[bytes] = []
    length = 0
    for piece in opened((data,)):
        found.append(piece)
        length += len(piece)
        if length > size:
            break
    return b"".join(found)


class _Joined:
    """Pieces as a file that is read on."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, count: int) -> bytes:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

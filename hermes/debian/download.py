"""Small downloads into memory: the documents of an archive, which must be read before a digest is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hermes import download as downloading
from hermes.download import Absent, shown
from hermes.errors import FetchError

_QUOTED: Final = frozenset(b"%+~")
_HINT: Final = "check the network, the addresses of the package sources, and what the server asks for"


def quoted(path: str) -> str:
    """Return a path of an archive as apt asks for it: what an index lists is the name of a file, not part of a URL.

    See ``QuoteString`` of apt, and its ``Acquire::URIEncode``.
    """
    return "".join(
        chr(one) if 0x20 < one < 0x7F and one not in _QUOTED else f"%{one:02x}" for one in path.encode()
    )


def download(address: str, limit: int) -> bytes | None:
    """Return what is at an http, https or file address, or None when there is nothing.

    Raises `FetchError` when it has more than ``limit`` bytes or cannot be had.
    """
    from hermes.registry import pace

    def collect(pieces: Iterator[bytes]) -> bytes:
        data = bytearray()
        for piece in pieces:
            data += piece
            if len(data) > limit:
                raise FetchError(
                    f"{shown(address)}: is larger than the {limit} bytes that it may have",
                    hint="the mirror may be in the middle of an update: try again later, or use another",
                )
        return bytes(data)

    try:
        with pace.session() as session:
            return downloading.download(address, collect, session)
    except Absent:
        return None
    except FetchError as error:
        error.hint = error.hint or _HINT
        raise

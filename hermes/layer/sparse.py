"""Sparse members of tar archives: where their data belongs, in the four forms that GNU tar has written.

See the GNU tar manual, "Storing Sparse Files", and ``struct sparse_header`` in its ``tar.h``. A layer has no sparse
files: what is not stored is read as zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from hermes.digest import CHUNK

OLD_GNU: Final = b"S"
"""The type flag of the form that has its map in the header."""
NAME: Final = "GNU.sparse.name"
MAP: Final = "GNU.sparse.map"
REPEATED: Final = ("GNU.sparse.offset", "GNU.sparse.numbytes")
"""Records of the first pax form, which come once for each piece of data."""

_PREFIX: Final = "GNU.sparse."
_IN_HEADER: Final = 4
_IN_BLOCK: Final = 21
_PAIR: Final = 24
_MOST_PARTS: Final = 1_000_000
_LONGEST: Final = 512
"""A line of a map has 19 digits at most; behind the last one the rest of its block may follow."""


class Sparse(NamedTuple):
    """A file of ``size`` bytes, of which ``parts`` (offset, length) are stored one after the other."""

    size: int
    parts: tuple[tuple[int, int], ...]

    @property
    def holes(self) -> int:
        """How many bytes are not stored."""
        return self.size - sum(length for _, length in self.parts)

    def expanded(self, stored: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the file, whose parts come from ``stored``."""
        rest = b""
        at = 0
        for offset, length in self.parts:
            yield from _zeros(offset - at)
            at = offset + length
            left = length
            while left:
                piece = rest or next(stored)
                yield piece[:left]
                rest = piece[left:]
                left -= min(left, len(piece))
        yield from _zeros(self.size - at)


def is_sparse(flag: bytes, pax: Mapping[str, bytes]) -> bool:
    """Tell whether a member, by its type flag and extended header, is sparse."""
    return flag == OLD_GNU or any(key.startswith(_PREFIX) for key in pax)


def sparse_of(
    block: bytes,
    pax: Mapping[str, bytes],
    number: Callable[[bytes], int],
    next_block: Callable[[], bytes],
) -> Sparse:
    """Return the map of a sparse member with the header ``block``.

    ``number`` reads a number of a header; ``next_block`` returns the next 512 bytes behind the header, in which
    two of the forms have (part of) their map. Raises `ValueError` for one that is malformed.
    """
    if block[156:157] == OLD_GNU:
        numbers, size = _old_map(block, number, next_block), number(block[483:495])
    elif pax.get("GNU.sparse.major", b"0") == b"0":
        numbers = [_decimal(one) for one in pax.get(MAP, b"").split(b",") if one]
        size = _decimal(pax.get("GNU.sparse.realsize") or pax.get("GNU.sparse.size", b""))
    elif (pax["GNU.sparse.major"], pax.get("GNU.sparse.minor")) == (b"1", b"0"):
        numbers, size = _map_in_data(next_block), _decimal(pax.get("GNU.sparse.realsize", b""))
    else:
        raise ValueError("a sparse file of a version that is not known")
    if len(numbers) % 2:
        raise ValueError("the map of a sparse file is malformed")
    return _checked(size, tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _checked(size: int, parts: tuple[tuple[int, int], ...]) -> Sparse:
    at = 0
    for offset, length in parts:
        if offset < at or offset + length > size:
            raise ValueError("the map of a sparse file is malformed")
        at = offset + length
    return Sparse(size, parts)


def _old_map(block: bytes, number: Callable[[bytes], int], next_block: Callable[[], bytes]) -> list[int]:
    found: list[int] = []
    fields, goes_on = block[386 : 386 + _IN_HEADER * _PAIR], block[482]
    while True:
        for start in range(0, len(fields), _PAIR):
            pair = fields[start : start + _PAIR]
            if pair.strip(b"\0"):
                found += number(pair[:12]), number(pair[12:])
        if not goes_on:
            return found
        if len(found) > 2 * _MOST_PARTS:
            raise ValueError("a sparse file of too many pieces")
        block = next_block()
        fields, goes_on = block[: _IN_BLOCK * _PAIR], block[504]


def _map_in_data(next_block: Callable[[], bytes]) -> list[int]:
    """Read lines of decimal numbers, the first of which says how many pairs follow, padded to a block."""
    data = b""
    wanted = 1
    found: list[int] = []
    while len(found) < wanted:
        *lines, data = (data + next_block()).split(b"\n")
        if len(data) > _LONGEST:
            raise ValueError("the map of a sparse file is malformed")
        found += [_decimal(line) for line in lines[: wanted - len(found)]]
        if wanted == 1 and found:
            if found[0] > _MOST_PARTS:
                raise ValueError("a sparse file of too many pieces")
            wanted = 1 + 2 * found[0]
            found += [_decimal(line) for line in lines[1:wanted]]
    return found[1:]


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 19:
        raise ValueError(f"{text[:40]!r} is not a number of a sparse file")
    return int(text)


def _zeros(count: int) -> Iterator[bytes]:
    zeros = bytes(min(count, CHUNK))
    while count:
        piece = zeros[:count]
        count -= len(piece)
        yield piece

"""Tables, as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with the cells of each column below each other."""
    rows = [[plain(cell) for cell in row] for row in rows]
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def streamed_columns(rows: Callable[[], Iterable[Sequence[str]]]) -> Iterator[str]:
    """Yield the lines of `columns` for rows that are asked for twice instead of being kept; cells are not empty."""
    widths: list[int] = []
    for row in rows():
        lengths = [len(plain(cell)) for cell in row[:-1]]
        widths = list(map(max, lengths, widths)) if widths else lengths
    for row in rows():
        *cells, last = map(plain, row)
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        yield "  ".join((*padded, last)).rstrip()


def plain(text: str) -> str:
    """Return a text without what would drive a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)

"""Sizes as people read them, and numbers as files and headers have them."""

from __future__ import annotations

from typing import Final

LARGEST_SIZE: Final = (1 << 63) - 1
"""The largest size of a file, in bytes."""


def whole_number(text: str, most: int) -> int | None:
    """Return the number that ASCII digits are; None for any other text, and for a number beyond ``most``.

    However long the text is: ``int`` raises `ValueError` beyond 4,300 digits.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= len(str(most)) and int(digits) <= most else None


def size(number: int) -> str:
    """Return a size in bytes with a unit."""
    left = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if left < 1024:
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1024
    return f"{left:.1f} TiB"

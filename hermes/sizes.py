"""Sizes, as people read them."""

from __future__ import annotations


def size(number: int) -> str:
    """Return a size in bytes with a unit."""
    left = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if left < 1024:
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1024
    return f"{left:.1f} TiB"

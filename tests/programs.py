"""Programs of other architectures, from their machine code: each writes its architecture to /out and prints it."""

from __future__ import annotations

import struct
from typing import Final

_CODE: Final = {
    "arm64": (
        183,
        "600c809221020010220880d2833480d2080780d2010000d4c1010010c20080d2080880d2010000d4200080d2210100"
        "10c20080d2080880d2010000d4000080d2a80b80d2010000d42f6f75740000000061726d36340a",
    ),
    "riscv64": (
        243,
        "1305c0f99705000093850505130610049306401a9308800373000000970500009385050413068000930800047300000013051000"
        "9705000093858502130680009308000473000000130500009308d005730000002f6f757400000000726973637636340a",
    ),
}
"""e_machine, and code that stands anywhere: openat(2) and write(2) of "/out", write(2) to 1, exit(2)."""

FOREIGN: Final = tuple(_CODE)


def program_of(architecture: str) -> bytes:
    """Return a static ELF executable for Linux."""
    machine, code = _CODE[architecture]
    data = bytes.fromhex(code)
    start = 0x10000
    header = struct.pack(
        "<4sBBB9xHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 2, machine, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0),
    )
    size = 120 + len(data)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000) + data

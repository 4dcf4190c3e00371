"""A first process for containers, as a static program of some hundred bytes.

An OCI runtime makes the command process 1, to which signals without a handler do not apply and whose children
nobody waits for. bubblewrap brings such a first process along, but that passes on to the command what bubblewrap
itself has to ignore, and says of a command that cannot be executed what it says of one that failed. The code is that of ``x86_64.s`` and ``aarch64.s`` (a test assembles them), because a compiler is not asked for.
"""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Sequence
from typing import Final

from hermes.errors import SandboxError

FD: Final = 3
"""The descriptor that it is executed from; it closes that."""

_BASE: Final = 0x400000
_CODE: Final = {
    "x86_64": (
        62,
        """
    4c8b24244c8d6c24104e8d74e410bf03000000b8030000000f056a006a006a006a00bf020000004889e631d241ba0800
    0000b80d0000000f05bf03000000b80d0000000f05b8390000000f0585c0787d74444189c74883ec1048c7c7ffffffff
    4889e631d24531d2b83d0000000f054439f875e58b3c2489f883e07f74088db880000000eb09c1ef0881e7ff000000b8
    e70000000f05498b7d00498d75084c89f2b83b0000000f0583f8f87520498b450049894508488d3d3000000049897d00
    4c89ee4c89f2b83b0000000f05bf02000000488d351b000000ba43000000b8010000000f05bf7e000000eba32f62696e
    2f7368006865726d65733a207468652070726f6772616d2063616e6e6f74206265206578656375746564202869732069
    747320696e7465727072657465722074686572653f290a
    """,
    ),
    "aarch64": (
        183,
        """
    f30340f9f4430091950e138b600080d2280780d2010000d4ff7fbfa9ff7fbfa9400080d2e1030091020080d2030180d2
    c81080d2010000d4600080d2010000d4200280d2010080d2020080d2030080d2040080d2881b80d2010000d41f0000f1
    6b04005460020054f60300aaff4300d100008092e1030091020080d2030080d2882080d2010000d41f0016eb21ffff54
    e00340b901180072600000542000021102000014003c0853c80b80d2010000d4800240f981220091e20315aaa81b80d2
    010000d41f2000b121010054810240f9810600f9a0010010800200f9e10314aae20315aaa81b80d2010000d4400080d2
    01010010620880d2080880d2010000d4c00f80d2e9ffff172f62696e2f7368006865726d65733a207468652070726f67
    72616d2063616e6e6f74206265206578656375746564202869732069747320696e746572707265746572207468657265
    3f290a
    """,
    ),
}
"""Maps a machine to its number in ELF headers and its code, in hexadecimal."""


def code(machine: str) -> bytes:
    """Return the instructions for a machine."""
    return bytes.fromhex(_CODE[machine][1])


def is_there() -> bool:
    """Tell whether there is a program for this machine."""
    return platform.machine() in _CODE


def executable(machine: str = "") -> bytes:
    """Return the program for a machine (default: this one); see elf(5). Raises `SandboxError`."""
    machine = machine or platform.machine()
    if machine not in _CODE:
        raise SandboxError(
            f"OCI runtimes cannot be used on {machine} machines", hint="use bubblewrap: --runtime bwrap"
        )
    text = code(machine)
    size = 64 + 56 + len(text)
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    number = _CODE[machine][0]
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", identity, 2, number, 1, _BASE + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)
    return header + segment + text


def write(path: str) -> None:
    """Write the program for this machine to a new file. Raises `SandboxError`."""
    with open(path, "wb") as file:
        file.write(executable())
        os.fchmod(file.fileno(), 0o755)


def become_source(path: str) -> None:
    """Open the program at ``path``; the caller passes the descriptor on."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if fd != FD:
        os.dup2(fd, FD)
        os.close(fd)
    os.set_inheritable(FD, True)


def arguments(program: str, argv: Sequence[str]) -> list[str]:
    """Return the command line that starts it with a command; ``program`` is the path of that."""
    return [f"/proc/self/fd/{FD}", program, *argv]

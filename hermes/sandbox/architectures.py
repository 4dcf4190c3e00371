"""The architectures of programs: how ELF files and qemu call what images call ``arm64``, and what this machine executes.

See elf(5), <elf.h> for the numbers, and the image index of OCI for the names, which are those of Go.
"""

from __future__ import annotations

import os
import struct
from typing import Final, NamedTuple

ELF: Final = b"\x7fELF"
_LITTLE: Final = 1
_BIG: Final = 2


class Architecture(NamedTuple):
    """``name`` is that of images, ``qemu`` what qemu's emulator is named for; empty where there is none.

    ``machine``, ``wide`` and ``order`` are e_machine, EI_CLASS and EI_DATA of its programs.
    """

    name: str
    qemu: str
    machine: int
    wide: int
    order: int = _LITTLE

    @property
    def header(self) -> bytes:
        """The first 20 bytes of its programs."""
        sign = "<" if self.order == _LITTLE else ">"
        return ELF + bytes([self.wide, self.order, 1]) + bytes(9) + struct.pack(f"{sign}HH", 2, self.machine)

    @property
    def mask(self) -> bytes:
        """The bits of `header` that count: neither the ABI of the system, nor what tells a shared object from a program."""
        kind = b"\xfe\xff" if self.order == _LITTLE else b"\xff\xfe"
        return b"\xff" * 7 + b"\0\0" + b"\xff" * 7 + kind + b"\xff\xff"


ARCHITECTURES: Final = (
    Architecture("386", "i386", 3, 1),
    Architecture("amd64", "x86_64", 62, 2),
    Architecture("amd64 (x32)", "", 62, 1),
    Architecture("arm", "arm", 40, 1),
    Architecture("arm64", "aarch64", 183, 2),
    Architecture("loong64", "loongarch64", 258, 2),
    Architecture("mips", "mips", 8, 1, _BIG),
    Architecture("mips64", "mips64", 8, 2, _BIG),
    Architecture("mips64le", "mips64el", 8, 2),
    Architecture("mipsle", "mipsel", 8, 1),
    Architecture("ppc", "ppc", 20, 1, _BIG),
    Architecture("ppc64", "ppc64", 21, 2, _BIG),
    Architecture("ppc64le", "ppc64le", 21, 2),
    Architecture("riscv64", "riscv64", 243, 2),
    Architecture("s390x", "s390x", 22, 2, _BIG),
)
_NATIVE: Final = {
    "x86_64": ("amd64", "386", "amd64 (x32)"),
    "aarch64": ("arm64", "arm"),
    "loongarch64": ("loong64",),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
}
"""The machine of uname(2) -> what it executes by itself, its own architecture first."""


def architecture_of(data: bytes) -> Architecture | None:
    """Return the architecture of an ELF file that begins with ``data``; None for another file and one without a name here."""
    if not data.startswith(ELF) or len(data) < 20:
        return None
    wide, order = data[4], data[5]
    machine = int.from_bytes(data[18:20], "big" if order == _BIG else "little")
    for one in ARCHITECTURES:
        if (one.machine, one.wide, one.order) == (machine, wide, order):
            return one
    return None


def native() -> tuple[str, ...]:
    """Return the names of what this machine executes by itself, its own first; nothing where that is not known."""
    return _NATIVE.get(os.uname().machine, ())


def is_foreign(architecture: Architecture) -> bool:
    """Tell whether this machine is known not to execute programs of an architecture by itself."""
    return bool(native()) and architecture.name not in native()

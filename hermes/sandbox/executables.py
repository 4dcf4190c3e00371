"""Why the kernel refuses to start a program: what its file says, held to this machine and the root that it is in.

See elf(5), execve(2) and the kernel's documentation of binfmt_misc.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

_HEADER: Final = 1 << 16
_SHEBANG: Final = 256
"""The kernel reads no more of a script's first line (`BINPRM_BUF_SIZE`)."""
_MAGIC: Final = b"\x7fELF"
_INTERPRETER: Final = 3
"""PT_INTERP."""
_MACHINES: Final = {
    (3, 1): "386",
    (8, 1): "mips",
    (20, 1): "ppc",
    (21, 2): "ppc64le",
    (22, 2): "s390x",
    (40, 1): "arm",
    (62, 1): "amd64 (x32)",
    (62, 2): "amd64",
    (183, 2): "arm64",
    (243, 2): "riscv64",
    (258, 2): "loong64",
}
"""(e_machine, EI_CLASS) -> the architecture as images call it."""
_NATIVE: Final = {
    "x86_64": ("amd64", "386", "amd64 (x32)"),
    "aarch64": ("arm64", "arm"),
    "ppc64le": ("ppc64le",),
    "s390x": ("s390x",),
    "riscv64": ("riscv64",),
}
"""The machine of uname(2) -> what it executes by itself."""
HANDLERS: Final = "/proc/sys/fs/binfmt_misc"


class Refusal(NamedTuple):
    """Why a program cannot be started, and what to do; ``is_foreign``: it is of another architecture."""

    reason: str
    hint: str
    is_foreign: bool = False


def refusal_of(
    program: str, file: str, find: Callable[[str], str | None], handlers: str = HANDLERS
) -> Refusal | None:
    """Return why the kernel refused ``program``, which is ``file`` on this machine; None where that is not known.

    ``find`` returns where a path of the root is on this machine, or None.
    """
    data = _read(file)
    if data.startswith(b"#!"):
        line = data[2:_SHEBANG].split(b"\n")[0]
        word = os.fsdecode(line.strip(b" \t").split(b" ")[0].split(b"\t")[0])
        if word.endswith("\r"):
            return Refusal(
                f"{program}: its first line ends in a carriage return, so its interpreter is {word!r}",
                "save it with Unix line ends: sed -i 's/\\r$//' FILE",
            )
        if word and find(word) is None:
            return Refusal(
                f"{program}: its interpreter {word} is not in the root file system",
                "add it to the image, or name in the first line one that is there",
            )
        return None
    if not data.startswith(_MAGIC) or len(data) < 64:
        return None
    architecture = architecture_of(data)
    machine = os.uname().machine
    if architecture and architecture not in _NATIVE.get(machine, (architecture,)):
        if _is_handled(data, handlers):
            return None
        own = _NATIVE[machine][0]
        return Refusal(
            f"{program} is for {architecture}, and this machine is {own}",
            f"take an image for linux/{own}, or install an emulator: the packages qemu-user-static and binfmt-support of "
            "Debian (`hermes doctor` lists emulators)",
            is_foreign=True,
        )
    interpreter = _elf_interpreter(data)
    if interpreter and find(interpreter) is None:
        return Refusal(
            f"{program} is linked dynamically, and its loader {interpreter} is not in the root file system",
            "link it statically, or take a base with the C library that it was built for",
        )
    return None


def architecture_of(data: bytes) -> str:
    """Return the architecture of an ELF file, as images call it; nothing for one that has no name here."""
    return _MACHINES.get((_unpacked(data, "H", 18), data[4]), "")


def emulated(handlers: str = HANDLERS) -> list[str]:
    """Return the architectures that the kernel is told to start by an emulator, as far as this process can see."""
    found = []
    for (machine, kind), name in sorted(_MACHINES.items(), key=lambda one: one[1]):
        order = 2 if name == "s390x" or name in ("mips", "ppc") else 1
        sign = ">" if order == 2 else "<"
        header = (
            _MAGIC + bytes([kind, order, 1]) + bytes(9) + struct.pack(f"{sign}HH", 2, machine) + bytes(44)
        )
        if name not in _NATIVE.get(os.uname().machine, ()) and _is_handled(header, handlers):
            found.append(name)
    return found


def _unpacked(data: bytes, kind: str, offset: int) -> int:
    order = ">" if data[5] == 2 else "<"
    return int(struct.unpack_from(order + kind, data, offset)[0])


def _elf_interpreter(data: bytes) -> str:
    """Return PT_INTERP; nothing where there is none among the first bytes of the file."""
    wide = data[4] == 2
    try:
        table = _unpacked(data, "Q" if wide else "I", 32 if wide else 28)
        size, count = (_unpacked(data, "H", at) for at in ((54, 56) if wide else (42, 44)))
        for number in range(count):
            at = table + number * size
            if _unpacked(data, "I", at) == _INTERPRETER:
                start = _unpacked(data, "Q" if wide else "I", at + (8 if wide else 4))
                return os.fsdecode(data[start : data.index(b"\0", start)])
    except (struct.error, ValueError, OverflowError):
        pass
    return ""


def _is_handled(data: bytes, folder: str) -> bool:
    """Tell whether an enabled handler of binfmt_misc takes a file that begins so."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return False
    for name in names:
        try:
            lines = Path(folder, name).read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            continue
        fields = dict(line.split(" ", 1) for line in lines[1:] if " " in line)
        if lines[:1] != ["enabled"] or "magic" not in fields:
            continue
        try:
            magic = bytes.fromhex(fields["magic"])
            mask = bytes.fromhex(fields.get("mask", "ff" * len(magic)))
            offset = int(fields.get("offset", "0"))
        except ValueError:
            continue
        part = data[offset : offset + len(magic)]
        if len(part) == len(magic) and all(
            (one ^ two) & bits == 0 for one, two, bits in zip(part, magic, mask, strict=False)
        ):
            return True
    return False


def _read(file: str) -> bytes:
    """Return how a regular file begins; nothing for one that cannot be read, or is a FIFO, say."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, _HEADER) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(fd)

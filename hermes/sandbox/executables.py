"""Why the kernel refuses to start a program: what its file says, held to this machine and the root that it is in.

See elf(5), execve(2) and the kernel's documentation of binfmt_misc.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from hermes.sandbox.architectures import ELF, Architecture, architecture_of, is_foreign, native
from hermes.sandbox.binfmt import HANDLERS, is_handled

_HEADER: Final = 1 << 16
_SHEBANG: Final = 256
"""The kernel reads no more of a script's first line (`BINPRM_BUF_SIZE`)."""
_INTERPRETER: Final = 3
"""PT_INTERP."""


class Refusal(NamedTuple):
    """Why a program cannot be started, and what to do; ``is_foreign``: it is of another architecture."""

    reason: str
    hint: str
    is_foreign: bool = False


def refusal_of(
    program: str, file: str, find: Callable[[str], str | None], folder: str = HANDLERS
) -> Refusal | None:
    """Return why the kernel refused ``program``, which is ``file`` on this machine; None where that is not known.

    ``find`` returns where a path of the root is on this machine, or None.
    """
    data = beginning_of(file)
    if data.startswith(b"#!"):
        word = _interpreter_of(data)
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
    if not data.startswith(ELF) or len(data) < 64:
        return None
    architecture = architecture_of(data)
    if architecture and is_foreign(architecture):
        if is_handled(architecture, folder):
            return None
        return foreign(program, architecture)
    interpreter = _elf_interpreter(data)
    if interpreter and find(interpreter) is None:
        return Refusal(
            f"{program} is linked dynamically, and its loader {interpreter} is not in the root file system",
            "link it statically, or take a base with the C library that it was built for",
        )
    return None


def foreign(program: str, architecture: Architecture) -> Refusal:
    """Return why a program of another architecture cannot be started where nothing emulates that."""
    own = native()[0]
    return Refusal(
        f"{program} is for {architecture.name}, and this machine is {own}",
        f"take an image for linux/{own}, or install an emulator: Debian's package qemu-user-static",
        is_foreign=True,
    )


def needed_by(file: str, find: Callable[[str], str | None]) -> Architecture | None:
    """Return the architecture of a program, or of the interpreter that its first line names; None where it is not known.

    ``find`` is as for `refusal_of`.
    """
    data = beginning_of(file)
    if data.startswith(b"#!"):
        word = _interpreter_of(data)
        at = find(word) if word else None
        data = beginning_of(at) if at else b""
    return architecture_of(data)


def is_static(file: str) -> bool:
    """Tell whether an ELF file needs no loader."""
    return not _elf_interpreter(beginning_of(file))


def _interpreter_of(data: bytes) -> str:
    """Return the first word of a script's first line."""
    line = data[2:_SHEBANG].split(b"\n")[0]
    return os.fsdecode(line.strip(b" \t").split(b" ")[0].split(b"\t")[0])


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


def beginning_of(file: str) -> bytes:
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

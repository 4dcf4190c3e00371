"""Handlers of the kernel for programs that it does not execute by itself; see its documentation of binfmt_misc.

A folder of handlers is one mount of the file system ``binfmt_misc``. A user namespace has handlers of its own where one
was mounted in it (Linux 6.7), and else those of the nearest namespace around it that has some.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from hermes.sandbox.architectures import Architecture

HANDLERS: Final = "/proc/sys/fs/binfmt_misc"
"""Where those of the machine are."""


class Handler(NamedTuple):
    """``flags`` are letters as in a registration. Files with ``magic`` at ``offset``, of the bits in ``mask``, are taken."""

    name: str
    interpreter: str
    flags: str
    offset: int
    magic: bytes
    mask: bytes

    def takes(self, data: bytes) -> bool:
        """Tell whether a file that begins with ``data`` is given to the interpreter."""
        part = data[self.offset : self.offset + len(self.magic)]
        return len(part) == len(self.magic) and all(
            (one ^ two) & bits == 0 for one, two, bits in zip(part, self.magic, self.mask, strict=True)
        )

    @property
    def registration(self) -> bytes:
        """What is written to ``register``."""
        magic, mask = ("".join(f"\\x{byte:02x}" for byte in data) for data in (self.magic, self.mask))
        return os.fsencode(f":{self.name}:M:{self.offset}:{magic}:{mask}:{self.interpreter}:{self.flags}")


def handlers(folder: str = HANDLERS) -> Iterator[Handler]:
    """Yield the enabled handlers of a folder that go by what a file begins with."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        try:
            with open(f"{folder}/{name}", encoding="ascii", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            continue
        fields = {key.rstrip(":"): value for key, _, value in (line.partition(" ") for line in lines[1:])}
        if lines[:1] != ["enabled"] or "magic" not in fields:
            continue
        try:
            magic = bytes.fromhex(fields["magic"])
            mask = bytes.fromhex(fields.get("mask", "")) or b"\xff" * len(magic)
            offset = int(fields.get("offset", "0"))
        except ValueError:
            continue
        if len(mask) == len(magic):
            yield Handler(name, fields.get("interpreter", ""), fields.get("flags", ""), offset, magic, mask)


def is_handled(architecture: Architecture, folder: str = HANDLERS) -> bool:
    """Tell whether an enabled handler takes programs of an architecture."""
    return any(one.takes(architecture.header) for one in handlers(folder))

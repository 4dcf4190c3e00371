"""ELF files: for which machine a program is, and which interpreter and libraries it needs.

See the System V ABI, chapter 4 "Object Files" and chapter 5 "Dynamic Linking". Files may come from anywhere: every offset is checked
against the size of the file, and counts have limits. It does not know what a root file system has.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from hermes.errors import LayerError

MAGIC: Final = b"\x7fELF"

_HEADERS: Final = {32: struct.Struct("HHIIIIIHHHHHH"), 64: struct.Struct("HHIQQQIHHHHHH")}
_SEGMENTS: Final = {32: struct.Struct("IIIIIIII"), 64: struct.Struct("IIQQQQQQ")}
_DYNAMIC: Final = {32: struct.Struct("iI"), 64: struct.Struct("qQ")}
_EXECUTABLE, _SHARED = 2, 3
_LOAD, _DYNAMIC_SEGMENT, _INTERPRETER = 1, 2, 3
_NULL, _NEEDED, _STRINGS, _STRINGS_SIZE, _SONAME, _RPATH, _RUNPATH = 0, 1, 5, 10, 14, 15, 29
_MOST_SEGMENTS: Final = 1 << 10
_MOST_DYNAMIC: Final = 1 << 16
_MOST_STRINGS: Final = 64 << 20
_LONGEST_PATH: Final = 4096

_MACHINES: Final[Mapping[tuple[int, int, bool], str]] = {
    (3, 32, True): "386",
    (8, 32, False): "mips",
    (8, 32, True): "mipsle",
    (8, 64, False): "mips64",
    (8, 64, True): "mips64le",
    (21, 64, False): "ppc64",
    (21, 64, True): "ppc64le",
    (22, 64, False): "s390x",
    (40, 32, True): "arm",
    (62, 64, True): "amd64",
    (183, 64, True): "arm64",
    (243, 64, True): "riscv64",
    (258, 64, True): "loong64",
}
"""``e_machine``, bits and whether the lowest byte is first, and the architecture as images call it (GOARCH)."""


@dataclass(frozen=True, slots=True)
class Program:
    """What one ELF file that can be executed or loaded says.

    ``architecture`` is as images have it, or ``machine N``. ``interpreter`` is the program that loads it, a path, or empty for a
    library and for a static program. ``rpath`` and ``runpath`` are folders as they are written, with ``$ORIGIN``.
    """

    architecture: str
    interpreter: str = ""
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Program:
        values: dict[str, Any] = {
            name: tuple(one) if type(one) is list else one for name, one in document.items()
        }
        return cls(**values)


def runs_on(program: Program, architecture: str) -> bool:
    """Tell whether a machine of an architecture executes the program; those of amd64 execute that of 386, too."""
    return program.architecture in (architecture, "386" if architecture == "amd64" else architecture)


def read_elf(file: BinaryIO, name: str) -> Program | None:
    """Return what an ELF file says, None for one that is neither a program nor a library, such as an object file.

    ``file`` can seek. Raises `LayerError`, which calls the file ``name``, for what is not a whole ELF file.
    """
    return _Reader(file, name).program()


class _Reader:
    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._size = file.seek(0, os.SEEK_END)
        ident = self._bytes(0, 16)
        self._bits = {1: 32, 2: 64}.get(ident[4], 0)
        self._order = {1: "<", 2: ">"}.get(ident[5], "")
        if ident[:4] != MAGIC or not self._bits or not self._order:
            raise self._error("its header is not one of ELF")

    def _error(self, what: str) -> LayerError:
        return LayerError(f"{self._name} is a damaged ELF file: {what}", hint="build or fetch it again")

    def _bytes(self, offset: int, count: int) -> bytes:
        if offset + count > self._size:
            raise self._error("it ends too early")
        self._file.seek(offset)
        data = self._file.read(count)
        if len(data) != count:
            raise self._error("it ends too early")
        return data

    def _rows(self, form: struct.Struct, offset: int, count: int) -> Iterator[tuple[int, ...]]:
        ordered = struct.Struct(self._order + form.format)
        return ordered.iter_unpack(self._bytes(offset, count * ordered.size))

    def program(self) -> Program | None:
        header = next(self._rows(_HEADERS[self._bits], 16, 1))
        kind, machine, segments, entry_size, count = header[0], header[1], header[4], header[8], header[9]
        if kind not in (_EXECUTABLE, _SHARED) or not count:
            return None
        form = _SEGMENTS[self._bits]
        if entry_size != struct.calcsize(self._order + form.format) or count > _MOST_SEGMENTS:
            raise self._error("its table of segments is not one of ELF")
        found = [self._segment(row) for row in self._rows(form, segments, count)]
        architecture = _MACHINES.get((machine, self._bits, self._order == "<"), f"machine {machine}")
        loaded = [one for one in found if one[0] == _LOAD]
        dynamic = next((one for one in found if one[0] == _DYNAMIC_SEGMENT), None)
        interpreter = next((one for one in found if one[0] == _INTERPRETER), None)
        path = ""
        if interpreter is not None:
            if interpreter[3] > _LONGEST_PATH:
                raise self._error("the path of its interpreter is too long")
            path = os.fsdecode(self._bytes(interpreter[1], interpreter[3]).partition(b"\0")[0])
        return self._with_libraries(architecture, path, loaded, dynamic)

    def _segment(self, row: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Return type, offset in the file, address, and size in the file."""
        if self._bits == 64:
            kind, _, offset, address, _, size, *_ = row
        else:
            kind, offset, address, _, size, *_ = row
        return kind, offset, address, size

    def _with_libraries(
        self,
        architecture: str,
        interpreter: str,
        loaded: list[tuple[int, int, int, int]],
        dynamic: tuple[int, int, int, int] | None,
    ) -> Program:
        if dynamic is None:
            return Program(architecture, interpreter)
        values: dict[int, list[int]] = {}
        form = _DYNAMIC[self._bits]
        count = dynamic[3] // struct.calcsize(self._order + form.format)
        if count > _MOST_DYNAMIC:
            raise self._error("its dynamic section is too long")
        for tag, value in self._rows(form, dynamic[1], count):
            if tag == _NULL:
                break
            values.setdefault(tag, []).append(value)
        strings = self._strings(values, loaded)

        def texts(tag: int) -> list[str]:
            return [self._text(strings, offset) for offset in values.get(tag, ())]

        def folders(tag: int) -> tuple[str, ...]:
            return tuple(one for text in texts(tag) for one in text.split(":") if one)

        soname = texts(_SONAME)
        return Program(
            architecture,
            interpreter,
            soname[0] if soname else "",
            tuple(texts(_NEEDED)),
            folders(_RPATH),
            folders(_RUNPATH),
        )

    def _strings(self, values: Mapping[int, list[int]], loaded: list[tuple[int, int, int, int]]) -> bytes:
        """Return the table of strings, which the dynamic section names by its address."""
        if _STRINGS not in values or _STRINGS_SIZE not in values:
            return b""
        address, size = values[_STRINGS][0], values[_STRINGS_SIZE][0]
        if size > _MOST_STRINGS:
            raise self._error("its table of strings is too long")
        for _, offset, start, length in loaded:
            if start <= address < start + length:
                return self._bytes(offset + address - start, size)
        raise self._error("its table of strings is not in the file")

    def _text(self, strings: bytes, offset: int) -> str:
        end = strings.find(b"\0", offset)
        if offset >= len(strings) or end < 0:
            raise self._error("a name is outside of its table of strings")
        return os.fsdecode(strings[offset:end])

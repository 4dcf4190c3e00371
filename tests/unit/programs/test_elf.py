"""ELF files say what readelf says of them, and damaged ones give one clear error."""

from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import LayerError
from hermes.programs.elf import Program, read_elf, runs_on

PROGRAMS = [
    Path(one).resolve()
    for one in (sys.executable, "/bin/sh", shutil.which("gcc") or "", "/lib/x86_64-linux-gnu/libc.so.6")
    if one and Path(one).exists()
]
ROW = re.compile(r"\((NEEDED|RPATH|RUNPATH|SONAME)\).*\[(.*)\]")


def said_by_readelf(path: Path) -> dict[str, list[str]]:
    done = subprocess.run(["readelf", "-dlW", path], capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = {"NEEDED": [], "RPATH": [], "RUNPATH": [], "SONAME": [], "interpreter": []}
    for line in done.stdout.splitlines():
        if row := ROW.search(line):
            found[row[1]].append(row[2])
        elif row := re.search("Requesting program interpreter: (.*)]", line):
            found["interpreter"].append(row[1])
    return found


@pytest.mark.parametrize("path", PROGRAMS, ids=str)
def test_a_program_needs_what_readelf_lists(path: Path) -> None:
    with open(path, "rb") as file:
        found = read_elf(file, str(path))
    assert found is not None
    said = said_by_readelf(path)
    assert list(found.needed) == said["NEEDED"]
    assert [*filter(None, [found.interpreter])] == said["interpreter"]
    assert [*filter(None, [found.soname])] == said["SONAME"]
    assert ":".join(found.rpath) == ":".join(said["RPATH"])
    assert ":".join(found.runpath) == ":".join(said["RUNPATH"])
    assert Program.from_json(found.to_json()) == found


def header(bits: int, order: str, machine: int, kind: int = 3) -> bytes:
    ident = b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1]).ljust(12, b"\0")
    form = "HHIIIIIHHHHHH" if bits == 32 else "HHIQQQIHHHHHH"
    size = 52 if bits == 32 else 64
    segment = struct.calcsize(f"{order}IIIIIIII" if bits == 32 else f"{order}IIQQQQQQ")
    fields = struct.pack(order + form, kind, machine, 1, 0, size, 0, 0, size, segment, 1, 0, 0, 0)
    return ident + fields + bytes(segment)


@pytest.mark.parametrize(
    ("bits", "order", "machine", "architecture"),
    [
        (32, "<", 3, "386"),
        (32, "<", 40, "arm"),
        (64, "<", 21, "ppc64le"),
        (64, ">", 21, "ppc64"),
        (64, ">", 22, "s390x"),
        (64, "<", 183, "arm64"),
        (64, "<", 243, "riscv64"),
        (64, "<", 999, "machine 999"),
    ],
)
def test_the_header_says_the_architecture(bits: int, order: str, machine: int, architecture: str) -> None:
    found = read_elf(io.BytesIO(header(bits, order, machine)), "x")
    assert found == Program(architecture)


def test_a_machine_of_amd64_runs_programs_of_386_and_no_other_pair_does() -> None:
    assert runs_on(Program("386"), "amd64")
    assert not runs_on(Program("amd64"), "386")
    assert not runs_on(Program("arm"), "arm64")


def test_an_object_file_is_not_a_program() -> None:
    assert read_elf(io.BytesIO(header(64, "<", 62, kind=1)), "x.o") is None


SMALL = Path("/bin/sh").resolve().read_bytes()


@given(st.data())
def test_a_damaged_file_is_one_error(data: st.DataObject) -> None:
    damaged = bytearray(SMALL[: data.draw(st.integers(0, len(SMALL)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if damaged:
            where = data.draw(st.integers(0, min(len(damaged), 1024) - 1))
            damaged[where] = data.draw(st.integers(0, 255))
    try:
        read_elf(io.BytesIO(bytes(damaged)), "x")
    except LayerError as error:
        assert error.message.startswith("x is a damaged ELF file: ")

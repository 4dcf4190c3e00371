"""Why programs are refused: another architecture, an interpreter or loader that is not there, a carriage return."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest

from hermes.sandbox.architectures import architecture_of
from hermes.sandbox.executables import refusal_of

HERE = os.uname().machine
OTHER = ("arm64", 183) if HERE != "aarch64" else ("amd64", 62)
QEMU = """enabled
interpreter /usr/bin/qemu-aarch64-static
flags: F
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


def elf(machine: int, interpreter: str = "", *, big: bool = False, wide: bool = True) -> bytes:
    """The first bytes of an executable, with the header of its loader."""
    order = ">" if big else "<"
    ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if big else 1, 1]) + bytes(9)
    name = interpreter.encode() + b"\0"
    if wide:
        rest = struct.pack(
            f"{order}HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, bool(interpreter), 0, 0, 0
        )
        header = struct.pack(f"{order}IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1)
    else:
        rest = struct.pack(
            f"{order}HHIIIIIHHHHHH", 2, machine, 1, 0, 52, 0, 0, 52, 32, bool(interpreter), 0, 0, 0
        )
        header = struct.pack(f"{order}IIIIIIII", 3, 84, 0, 0, len(name), len(name), 4, 1)
    return ident + rest + header + name + bytes(64)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (elf(62), "amd64"),
        (elf(183), "arm64"),
        (elf(40, wide=False), "arm"),
        (elf(3, wide=False), "386"),
        (elf(22, big=True), "s390x"),
        (elf(21), "ppc64le"),
        (elf(21, big=True), "ppc64"),
        (elf(8), "mips64le"),
        (elf(40, wide=False, big=True), ""),
        (elf(243), "riscv64"),
        (elf(4095), ""),
    ],
)
def test_the_header_says_the_architecture(data: bytes, name: str) -> None:
    found = architecture_of(data)
    assert (found.name if found else "") == name


def refused(tmp_path: Path, data: bytes, *there: str, handlers: str = "/nowhere") -> str:
    file = tmp_path / "program"
    file.write_bytes(data)
    found = refusal_of("/bin/program", str(file), lambda path: path if path in there else None, handlers)
    return f"{found.reason}; {found.hint}" if found else ""


def test_both_architectures_are_named(tmp_path: Path) -> None:
    name, machine = OTHER
    said = refused(tmp_path, elf(machine))
    assert said.startswith(f"/bin/program is for {name}, and this machine is ")
    assert "qemu-user-static" in said


def test_nothing_is_said_of_what_an_emulator_takes(tmp_path: Path) -> None:
    handlers = tmp_path / "binfmt"
    handlers.mkdir()
    (handlers / "status").write_text("enabled\n")
    (handlers / "qemu-aarch64").write_text(QEMU)
    if HERE == "aarch64":
        return
    assert refused(tmp_path, elf(183), handlers=str(handlers)) == ""
    assert "is for riscv64" in refused(tmp_path, elf(243), handlers=str(handlers))
    (handlers / "qemu-aarch64").write_text(QEMU.replace("enabled", "disabled"))
    assert "is for arm64" in refused(tmp_path, elf(183), handlers=str(handlers))


def test_a_loader_that_is_not_in_the_image_is_named(tmp_path: Path) -> None:
    loader = "/lib64/ld-linux-x86-64.so.2"
    machine = {"x86_64": 62, "aarch64": 183}[HERE]
    assert f"its loader {loader} is not in the root" in refused(tmp_path, elf(machine, loader))
    assert refused(tmp_path, elf(machine, loader), loader) == ""
    assert refused(tmp_path, elf(machine)) == ""
    found = refusal_of("/bin/ls", shutil.which("ls") or "", lambda _: None)
    assert found is not None
    assert "/ld-linux" in found.reason


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"#!/bin/bash\necho", "/bin/program: its interpreter /bin/bash is not in the root file system"),
        (b"#! /bin/bash -e\necho", "/bin/program: its interpreter /bin/bash is not in the root file system"),
        (b"#!/bin/sh\r\necho\r\n", "/bin/program: its first line ends in a carriage return"),
        (b"#!/bin/sh\necho", ""),
        (b"#!\n", ""),
        (b"#!", ""),
        (b"text", ""),
        (b"", ""),
        (b"\x7fELF", ""),
        (elf(62)[:60], ""),
        (b"\x7fELF" + b"\xff" * 100, ""),
        (elf(62)[:32] + b"\xff" * 32, ""),
    ],
)
def test_what_is_said_of_scripts_and_of_damaged_files(tmp_path: Path, data: bytes, said: str) -> None:
    assert refused(tmp_path, data, "/bin/sh").startswith(said)
    assert bool(refused(tmp_path, data, "/bin/sh")) == bool(said)


def test_what_is_not_a_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert refusal_of("/fifo", str(tmp_path / "fifo"), lambda _: None) is None
    assert refusal_of("/none", str(tmp_path / "none"), lambda _: None) is None

"""Which emulator is taken for an architecture, and what cannot be one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from hermes.errors import ProgramRefused
from hermes.sandbox.architectures import ARCHITECTURES, is_foreign, native
from hermes.sandbox.emulators import emulate, emulated, emulator_of
from tests.programs import FOREIGN, program_of
from tests.unit.sandbox.test_executables import elf

ARM64, RISCV64 = (next(one for one in ARCHITECTURES if one.name == name) for name in ("arm64", "riscv64"))
STATIC = elf(62)
DYNAMIC = elf(62, "/lib64/ld-linux-x86-64.so.2")

pytestmark = pytest.mark.skipif(native()[:1] != ("amd64",), reason="the table of cases is for amd64")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    (folder / name).chmod(0o755)
    return str(folder / name)


def test_the_static_one_is_found_by_both_of_its_names(path: Path) -> None:
    assert emulator_of(ARM64, {}) is None
    plain = install(path, "qemu-aarch64", STATIC)
    assert emulator_of(ARM64, {}) == plain
    static = install(path, "qemu-aarch64-static", STATIC)
    assert emulator_of(ARM64, {}) == static
    assert emulator_of(RISCV64, {}) is None
    assert emulated({}, "/none") == {"arm64": static}


def test_what_hermes_yaml_names_comes_first(path: Path, tmp_path: Path) -> None:
    install(path, "qemu-aarch64-static", STATIC)
    own = install(tmp_path, "mine", STATIC)
    assert emulator_of(ARM64, {"arm64": own}) == own
    with pytest.raises(ProgramRefused, match=r"the emulator /none for arm64 is not there\n") as caught:
        emulator_of(ARM64, {"arm64": "/none"})
    assert "qemu-user-static" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (DYNAMIC, "is linked dynamically"),
        (elf(183), "is for arm64 itself, and this machine is amd64"),
        (b"#!/bin/sh\n", "is not a program"),
        (b"", "is not a program"),
    ],
)
def test_what_cannot_be_an_emulator_is_told_of(tmp_path: Path, data: bytes, said: str) -> None:
    at = install(tmp_path, "qemu", data)
    with pytest.raises(ProgramRefused, match=f"^the emulator {at} for riscv64 {said}"):
        emulator_of(RISCV64, {"riscv64": at})
    (tmp_path / "qemu").chmod(0o644)
    with pytest.raises(ProgramRefused, match="cannot be executed"):
        emulator_of(RISCV64, {"riscv64": at})


def test_one_that_is_installed_and_needs_a_loader_is_told_of(path: Path) -> None:
    install(path, "qemu-riscv64", DYNAMIC)
    with pytest.raises(ProgramRefused, match="/qemu-riscv64 for riscv64 is linked dynamically"):
        emulator_of(RISCV64, {})
    assert emulated({}, "/none") == {}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("script", [False, True])
def test_both_architectures_are_named_where_there_is_none(
    path: Path, tmp_path: Path, name: str, script: bool
) -> None:
    program = install(tmp_path, "program", program_of(name))
    first = install(tmp_path, "script", b"#!/bin/program -x\necho") if script else program
    with pytest.raises(
        ProgramRefused, match=f"^/bin/it is for {name}, and this machine is amd64\n"
    ) as caught:
        emulate("/bin/it", first, lambda _: program, str(tmp_path / "handlers"), {})
    assert "qemu-user-static" in (caught.value.hint or "")
    assert not path.joinpath("handlers").exists()


@pytest.mark.skipif("arm64" in emulated({}, is_registered=True), reason="the machine has a handler for arm64")
def test_a_kernel_that_refuses_handlers_of_a_namespace_is_told_of_with_both_architectures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What Linux before 6.7 refuses in a user namespace it refuses here to who is not root."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        monkeypatch.setenv("PATH", folder)
        install(Path(folder), "qemu-aarch64-static", STATIC)
        program = install(Path(folder), "program", program_of("arm64"))
        was = os.geteuid()
        os.seteuid(was or 65534)
        try:
            with pytest.raises(ProgramRefused) as caught:
                emulate("/bin/it", program, lambda _: program, f"{folder}/handlers", {})
        finally:
            os.seteuid(was)
    assert caught.value.message == (
        f"/bin/it is for arm64, and this machine is amd64, and this kernel ({os.uname().release}) "
        "lets no user namespace have emulators of its own"
    )
    assert "use Linux 6.7 or later" in (caught.value.hint or "")
    assert "qemu-user-static" in (caught.value.hint or "")


def test_own_programs_need_none(tmp_path: Path) -> None:
    folder = str(tmp_path / "handlers")
    for data in (STATIC, elf(3, wide=False), b"#!/bin/none\n", b"#!", b"", b"text", elf(4095)):
        assert not emulate("/it", install(tmp_path, "it", data), lambda _: None, folder, {})
    assert not (tmp_path / "handlers").exists()
    assert not is_foreign(next(one for one in ARCHITECTURES if one.name == "386"))


@pytest.mark.parametrize("name", FOREIGN)
def test_the_programs_of_the_tests_are_what_qemu_takes(name: str) -> None:
    import subprocess

    word = {"arm64": "aarch64"}.get(name, name)
    qemu = shutil.which(f"qemu-{word}-static") or shutil.which(f"qemu-{word}")
    if qemu is None:
        pytest.skip("qemu is not installed")
    nobody = (
        65534 if os.geteuid() == 0 else None
    )  # who cannot write /out of this machine, as the program does
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = install(Path(folder), "it", program_of(name))
        done = subprocess.run([qemu, program], capture_output=True, check=True, user=nobody)
    assert done.stdout == f"{name}\n".encode()

"""The first process of a container, run as it is."""

from __future__ import annotations

import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hermes.sandbox import init

SOURCES = Path(init.__file__).parent
PREFIX = {"x86_64": "x86_64-linux-gnu-", "aarch64": "aarch64-linux-gnu-"}
MACHINES = pytest.mark.parametrize("machine", ["x86_64", "aarch64"])


def tool(machine: str, name: str) -> str:
    own = name if platform.machine() == machine else None
    found = shutil.which(PREFIX[machine] + name) or (own and shutil.which(own))
    if not found:
        pytest.skip(
            f"there is no {name} for {machine} (Debian: binutils-{machine.replace('_', '-')}-linux-gnu)"
        )
    return found


@MACHINES
def test_the_code_is_that_of_the_source(machine: str, tmp_path: Path) -> None:
    assembler, copier = tool(machine, "as"), tool(machine, "objcopy")
    subprocess.run([assembler, "-o", tmp_path / "o", SOURCES / f"{machine}.s"], check=True)
    subprocess.run([copier, "-O", "binary", "-j", ".text", tmp_path / "o", tmp_path / "bin"], check=True)
    assert (tmp_path / "bin").read_bytes() == init.code(machine)


def run(machine: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = folder / "init"
    path.write_bytes(init.executable(machine))
    path.chmod(0o755)
    emulator = [] if platform.machine() == machine else [shutil.which(f"qemu-{machine}") or ""]
    if emulator == [""]:
        pytest.skip(f"there is no qemu-{machine} (Debian: qemu-user)")
    return subprocess.run([*emulator, path, *arguments], capture_output=True, text=True, check=False)


@MACHINES
def test_it_ends_as_the_command_does(machine: str, tmp_path: Path) -> None:
    assert run(machine, tmp_path, "/bin/sh", "sh", "-c", "exit 7").returncode == 7
    assert run(machine, tmp_path, "/bin/sh", "sh", "-c", "kill -TERM $$").returncode == 143
    done = run(
        machine, tmp_path, "/bin/sh", "-name", "-c", 'echo "$0" "$1"; sleep 0.1 & exit 255', "a", "b c"
    )
    assert (done.returncode, done.stdout) == (255, "a b c\n")


@MACHINES
def test_the_keys_of_a_terminal_are_the_commands_business(machine: str, tmp_path: Path) -> None:
    """Whoever starts it ignores them. A shell could not tell: it may not trap what was ignored before it."""
    script = (
        "import signal as s; exit(s.getsignal(s.SIGINT) is s.SIG_IGN or s.getsignal(s.SIGQUIT) is s.SIG_IGN)"
    )
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        assert run(machine, tmp_path, sys.executable, "python", "-c", script).returncode == 0
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@MACHINES
def test_what_cannot_be_executed_is_said_and_a_script_is_given_to_a_shell(
    machine: str, tmp_path: Path
) -> None:
    done = run(machine, tmp_path, "/none", "none")
    assert (done.returncode, done.stderr.count("cannot be executed")) == (126, 1)
    script = tmp_path / "script"
    script.write_text('echo "$1"; exit 5\n')
    script.chmod(0o755)
    done = run(machine, tmp_path, str(script), "script", "x y")
    assert (done.returncode, done.stdout) == (5, "x y\n")

"""The filter, loaded into a process that then makes the calls; and its tables, against libseccomp's."""

from __future__ import annotations

import errno
import json
import platform
import shutil
import subprocess
import sys

import pytest

from hermes.errors import SandboxError, UsageError
from hermes.sandbox import capabilities, seccomp
from hermes.sandbox.syscall_numbers import NUMBERS

MACHINE = platform.machine()
LOADED = pytest.mark.skipif(not seccomp.has_filter(), reason=f"there is no filter for {MACHINE}")

# Loads the filter from standard input, makes the calls of its first argument, prints their errors.
CALLER = """
import ctypes, json, sys
program = bytearray(sys.stdin.buffer.read())
buffer = (ctypes.c_char * len(program)).from_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
assert libc.prctl(38, 1, 0, 0, 0) == 0
loaded = Program(len(program) // 8, ctypes.addressof(buffer))
assert libc.prctl(22, 2, ctypes.byref(loaded), 0, 0) == 0, ctypes.get_errno()
answers = []
for call in json.loads(sys.argv[1]):
    ctypes.set_errno(0)
    result = libc.syscall(*map(ctypes.c_long, call))
    answers.append(ctypes.get_errno() if result == -1 else 0)
print(json.dumps(answers))
"""


def answers(profile: seccomp.Profile, calls: list[list[int]], *granted: str) -> list[int]:
    """Make system calls (number and arguments) under a profile; return their errors, 0 for none."""
    filled = [[*call, *[0] * (7 - len(call))] for call in calls]
    done = subprocess.run(
        [sys.executable, "-c", CALLER, json.dumps(filled)],
        input=seccomp.program(seccomp.rules(profile, granted)),
        capture_output=True,
        check=True,
    )
    found: list[int] = json.loads(done.stdout)
    return found


def number(name: str) -> int:
    return NUMBERS[MACHINE][name]


def refused(profile: seccomp.Profile, *granted: str) -> set[str]:
    """Return the names that rules without conditions refuse."""
    return {
        name
        for rule in seccomp.rules(profile, granted)
        if not rule.patterns
        for name in rule.names
        if name in NUMBERS[MACHINE]
    }


@LOADED
@pytest.mark.parametrize("profile", ["run", "build"])
def test_every_call_of_the_list_is_refused(profile: seccomp.Profile) -> None:
    names = sorted(refused(profile))
    # With arguments that do no harm and give another error where a call is let through.
    found = answers(profile, [[number(name), -1, -1, -1, -1, -1, -1] for name in names])
    wrong = {
        name: error
        for name, error in zip(names, found, strict=True)
        if error != (errno.ENOSYS if name == "clone3" else errno.EPERM)
    }
    assert not wrong


@LOADED
def test_only_odd_personalities_are_refused() -> None:
    allowed = [0xFFFFFFFF, 0, 8, 0x20000, 0x20008]
    odd = [0x40000, 0x400000, 1 << 31, 0x20009, 0xFFFFFFFE, 0xFFFDFFFF, 0xFFFFFFF7, 0xFFFDFFF7, 1 << 32 | 1]
    calls = [[number("personality"), value] for value in (*odd, *allowed, 0)]
    found = answers("run", calls)
    assert found[: len(odd)] == [errno.EPERM] * len(odd)
    assert errno.EPERM not in found[len(odd) :]


@LOADED
def test_a_terminal_cannot_be_typed_into_however_the_number_is_written() -> None:
    tiocsti, tioclinux, tcgets = 0x5412, 0x541C, 0x5401
    calls = [[number("ioctl"), -1, one] for one in (tiocsti, tioclinux, 1 << 32 | tiocsti, tcgets)]
    assert answers("build", calls) == [errno.EPERM, errno.EPERM, errno.EPERM, errno.EBADF]


@LOADED
def test_new_namespaces_are_refused_to_clone_but_threads_are_not() -> None:
    clone_newuser, clone_thread = 0x10000000, 0x10000  # the latter alone is invalid, to the kernel itself
    found = answers("run", [[number("clone"), clone_newuser | 17], [number("clone"), clone_thread]])
    assert found == [errno.EPERM, errno.EINVAL]


@LOADED
def test_sockets_to_the_hypervisor_are_refused_and_others_are_not() -> None:
    vsock, inet, stream = 40, 2, 1
    found = answers("build", [[number("socket"), vsock, stream], [number("socket"), inet, stream]])
    assert found == [errno.EPERM, 0]


@LOADED
def test_calls_that_are_newer_than_the_table_do_not_exist() -> None:
    assert answers("run", [[600]]) == [errno.ENOSYS]


@pytest.mark.skipif(MACHINE != "x86_64", reason="only x86_64 has x32")
def test_x32_does_not_exist() -> None:
    getpid, x32 = 39, 0x40000000
    assert answers("run", [[x32 | getpid], [getpid]]) == [errno.ENOSYS, 0]


@LOADED
def test_a_capability_lifts_what_goes_with_it() -> None:
    ptrace, mount = number("ptrace"), number("mount")
    calls = [[ptrace, -1, -1], [mount, 0, 0, 0, 0, 0]]
    assert answers("run", calls) == [errno.EPERM, errno.EPERM]
    assert answers("run", calls, "CAP_SYS_PTRACE")[0] != errno.EPERM
    lifted = refused("run") - refused("run", "CAP_SYS_ADMIN")
    assert {"mount", "umount2", "unshare", "setns", "clone3", "bpf", "fsopen"} <= lifted
    assert "ptrace" not in lifted


def test_what_no_namespace_contains_is_refused_to_builds_too() -> None:
    assert {"keyctl", "bpf", "kexec_load", "open_by_handle_at", "settimeofday"} <= refused("build")
    assert refused("build").isdisjoint({"ptrace", "unshare", "mount", "chroot", "io_uring_setup"})
    assert refused("build") < refused("run")


def test_every_name_is_a_capability() -> None:
    for rule in seccomp.RULES:
        assert [capabilities.parse(name) for name in rule.unless] == list(rule.unless)


@pytest.mark.skipif(
    not shutil.which("scmp_sys_resolver"), reason="the Debian package seccomp is not installed"
)
@pytest.mark.parametrize(
    ("machine", "theirs"), [("x86_64", "x86_64"), ("i386", "x86"), ("aarch64", "aarch64"), ("arm", "arm")]
)
def test_the_numbers_are_those_of_libseccomp(machine: str, theirs: str) -> None:
    for name in sorted({name for rule in seccomp.RULES for name in rule.names}):
        said = subprocess.run(
            ["scmp_sys_resolver", "-a", theirs, name], capture_output=True, text=True, check=True
        )
        expected = int(said.stdout)
        if expected >= 0:
            assert NUMBERS[machine].get(name) == expected, name
        elif name in NUMBERS[machine]:  # newer than the library, or one that it hides behind socketcall
            assert name == "open_tree_attr" or (machine, name) == ("i386", "socket")


def test_every_condition_can_be_said_to_an_oci_runtime() -> None:
    profile = seccomp.oci_profile(seccomp.rules("run"), "aarch64")
    assert profile["architectures"] == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    (one,) = (rule for rule in profile["syscalls"] if rule["names"] == ["socket"])
    assert one["args"] == [{"index": 0, "value": 0xFFFFFFFF, "valueTwo": 40, "op": "SCMP_CMP_MASKED_EQ"}]
    assert {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS} in profile["syscalls"]


def test_a_machine_without_a_table_is_named() -> None:
    with pytest.raises(SandboxError, match="no seccomp filter for riscv64"):
        seccomp.program((), "riscv64")


def test_a_capability_that_is_none_is_named() -> None:
    assert capabilities.parse("sys_ptrace") == capabilities.parse("CAP_SYS_PTRACE") == "CAP_SYS_PTRACE"
    with pytest.raises(UsageError, match=r"(?s)'SYS_PTRAC' is not a capability.*did you mean SYS_PTRACE"):
        capabilities.parse("SYS_PTRAC")

"""Which system calls a sandboxed command may not make, by name, and the filter that the kernel is given.

The profile is a list of what is refused, modelled on what Docker's default profile withholds from a container
without added capabilities. All of a rule's conditions have one form, ``argument & mask == value``, which both
a classic BPF program (here) and an OCI profile (`oci_profile`) can express, so every runtime refuses the same.
See seccomp(2), and the section "Seccomp" of the OCI runtime specification.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from hermes.errors import SandboxError
from hermes.sandbox.syscall_numbers import NEWEST, NUMBERS

Profile = Literal["build", "run"]
"""``run`` is the whole list. ``build`` leaves out what build tools have a use for and namespaces contain."""


class Pattern(NamedTuple):
    """Matches a call whose argument (counted from 0), its lower 32 bits masked, has a value.

    The kernel looks at no more than 32 bits of the arguments that are named here.
    """

    argument: int
    mask: int
    value: int


@dataclass(frozen=True, slots=True)
class Rule:
    """System calls that fail with ``errno``: always, or if one of ``patterns`` matches.

    ``unless`` names capabilities with any of which they are allowed. With ``builds`` the build profile
    refuses them too.
    """

    names: tuple[str, ...]
    unless: tuple[str, ...] = ()
    builds: bool = True
    patterns: tuple[Pattern, ...] = ()
    errno: int = errno.EPERM


_ALL: Final = 0xFFFFFFFF
_NEW_NAMESPACES: Final = (
    0x00020000,  # CLONE_NEWNS
    0x02000000,  # CLONE_NEWCGROUP
    0x04000000,  # CLONE_NEWUTS
    0x08000000,  # CLONE_NEWIPC
    0x10000000,  # CLONE_NEWUSER
    0x20000000,  # CLONE_NEWPID
    0x40000000,  # CLONE_NEWNET
)
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C
_AF_VSOCK: Final = 40
_HARMLESS_PERSONALITY: Final = 0x00020008  # UNAME26 and PER_LINUX32


def _odd_personalities() -> Iterator[Pattern]:
    """Match every value but 0, PER_LINUX32, UNAME26, both of these, and all bits (which asks).

    A value with a bit that is not harmless has, going round, a set one before a clear one among those bits,
    or all of them and not both of the harmless.
    """
    bits = [1 << number for number in range(32) if not _HARMLESS_PERSONALITY & 1 << number]
    for bit, following in zip(bits, [*bits[1:], bits[0]], strict=True):
        yield Pattern(0, bit | following, bit)
    for harmless in (0x00000008, 0x00020000):
        yield Pattern(0, bits[0] | harmless, bits[0])


RULES: Final = (
    # Namespaces and mounts. A build may make its own: they are contained in its user namespace, and nested
    # sandboxes, debootstrap and test suites need them.
    Rule(
        (
            *("mount", "umount", "umount2", "pivot_root", "fsopen", "fsconfig", "fsmount", "fspick"),
            *("move_mount", "open_tree", "open_tree_attr", "mount_setattr", "unshare", "setns"),
            *("sethostname", "setdomainname"),
        ),
        ("CAP_SYS_ADMIN",),
        builds=False,
    ),
    Rule(
        ("clone",),
        ("CAP_SYS_ADMIN",),
        builds=False,
        patterns=tuple(Pattern(0, flag, flag) for flag in _NEW_NAMESPACES),
    ),
    # Its flags are in memory, where no filter can look; with this error, C libraries call clone instead.
    Rule(("clone3",), ("CAP_SYS_ADMIN",), builds=False, errno=errno.ENOSYS),
    Rule(("chroot",), ("CAP_SYS_CHROOT",), builds=False),
    # Other processes. Test suites and debuggers may look at their own children in a build.
    Rule(
        ("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp"),
        ("CAP_SYS_PTRACE",),
        builds=False,
    ),
    # Where memory is: allocators and OpenMP ask in a build.
    Rule(
        ("get_mempolicy", "set_mempolicy", "set_mempolicy_home_node", "mbind", "move_pages"),
        ("CAP_SYS_NICE",),
        builds=False,
    ),
    Rule(("migrate_pages",), ("CAP_SYS_NICE",), builds=False),
    Rule(("personality",), builds=False, patterns=tuple(_odd_personalities())),
    Rule(("io_uring_setup", "io_uring_enter", "io_uring_register"), builds=False),
    # From here on: what no namespace contains, or what only a whole machine has a use for.
    Rule(("keyctl", "add_key", "request_key")),
    Rule(("socket",), patterns=(Pattern(0, _ALL, _AF_VSOCK),)),
    Rule(("ioctl",), patterns=(Pattern(1, _ALL, _TIOCSTI), Pattern(1, _ALL, _TIOCLINUX))),
    Rule(("open_by_handle_at", "name_to_handle_at"), ("CAP_DAC_READ_SEARCH",)),
    Rule(("bpf",), ("CAP_SYS_ADMIN", "CAP_BPF")),
    Rule(("perf_event_open",), ("CAP_SYS_ADMIN", "CAP_PERFMON")),
    Rule(("fanotify_init", "lookup_dcookie", "quotactl", "quotactl_fd"), ("CAP_SYS_ADMIN",)),
    Rule(("syslog",), ("CAP_SYS_ADMIN", "CAP_SYSLOG")),
    Rule(("reboot",), ("CAP_SYS_BOOT",)),
    Rule(("init_module", "finit_module", "delete_module", "query_module"), ("CAP_SYS_MODULE",)),
    Rule(("acct",), ("CAP_SYS_PACCT",)),
    Rule(("iopl", "ioperm"), ("CAP_SYS_RAWIO",)),
    Rule(
        ("settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64"),
        ("CAP_SYS_TIME",),
    ),
    Rule(("vhangup",), ("CAP_SYS_TTY_CONFIG",)),
    Rule(("userfaultfd", "kexec_load", "kexec_file_load", "swapon", "swapoff", "nfsservctl", "uselib")),
    Rule(("ustat", "sysfs", "_sysctl", "vm86", "vm86old", "create_module", "get_kernel_syms", "vserver")),
)


def rules(profile: Profile, capabilities: tuple[str, ...] = ()) -> tuple[Rule, ...]:
    """Return what a command with these capabilities is refused."""
    return tuple(
        rule
        for rule in RULES
        if (profile == "run" or rule.builds) and not set(rule.unless).intersection(capabilities)
    )


# The program. See "Filter programs" in seccomp(2) and struct sock_filter in linux/filter.h.

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_GREATER: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000

_NUMBER: Final = 0  # offsets in struct seccomp_data
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_ARCHITECTURES: Final = {
    "x86_64": (("x86_64", 0xC000003E), ("i386", 0x40000003)),
    "aarch64": (("aarch64", 0xC00000B7), ("arm", 0x40000028)),
}
"""Maps a machine to those whose programs it can run, with their AUDIT_ARCH numbers of linux/audit.h."""

_Code = list[tuple[int, int, int, int]]


def has_filter(machine: str = "") -> bool:
    """Tell whether `program` knows a machine."""
    return (machine or platform.machine()) in _ARCHITECTURES


def program(refused: tuple[Rule, ...], machine: str = "") -> bytes:
    """Return the rules as an array of ``struct sock_filter`` for a machine (default: this one).

    System calls that are newer than the tables, and those of x32, do not exist to the command (ENOSYS).
    Another architecture's kill it. Raises `SandboxError` when the machine has no table.
    """
    machine = machine or platform.machine()
    if not has_filter(machine):
        raise SandboxError(
            f"there is no seccomp filter for {machine} machines",
            hint="run the image by another tool: hermes build -o oci-archive:FILE",
        )
    code: _Code = [(_LOAD, 0, 0, _ARCHITECTURE)]
    for name, number in _ARCHITECTURES[machine]:
        part = _part(refused, name)
        if len(part) > 0xFF:  # further than a conditional jump goes
            code += [(_IF_EQUAL, 1, 0, number), (0x05, 0, 0, len(part)), *part]
        else:
            code += [(_IF_EQUAL, 0, len(part), number), *part]
    code.append((_RETURN, 0, 0, _KILL))
    return b"".join(struct.pack("=HBBI", *one) for one in code)


def _part(refused: tuple[Rule, ...], machine: str) -> _Code:
    """Return the instructions for one architecture, all of which return.

    A number is compared with one after the other: the kernel remembers which calls are always allowed.
    """
    numbers = NUMBERS[machine]
    code: _Code = [(_LOAD, 0, 0, _NUMBER), (_IF_GREATER, 0, 1, _last(machine)), _error(errno.ENOSYS)]
    for rule in refused:
        answer = _error(rule.errno)
        for name in rule.names:
            if name not in numbers:
                continue
            body = _matching(rule.patterns, answer) if rule.patterns else [answer]
            assert len(body) <= 0xFF
            code += [(_IF_EQUAL, 0, len(body), numbers[name]), *body]
    return [*code, (_RETURN, 0, 0, _ALLOW)]


def _last(machine: str) -> int:
    return 0x0F0000 + 0xFF if machine == "arm" else NEWEST  # arm has private calls from 0x0f0000 on


def _matching(patterns: tuple[Pattern, ...], answer: tuple[int, int, int, int]) -> _Code:
    code: _Code = []
    for one in patterns:
        code.append((_LOAD, 0, 0, _ARGUMENTS + 8 * one.argument))  # the lower half: all are little-endian
        if one.mask != _ALL:
            code.append((_AND, 0, 0, one.mask))
        code += [(_IF_EQUAL, 0, 1, one.value), answer]
    return [*code, (_RETURN, 0, 0, _ALLOW)]


def _error(number: int) -> tuple[int, int, int, int]:
    return _RETURN, 0, 0, _ERRNO | number


def oci_profile(refused: tuple[Rule, ...], machine: str = "") -> dict[str, Any]:
    """Return the rules as the ``linux.seccomp`` of an OCI configuration."""
    names = {"x86_64": "X86_64", "i386": "X86", "aarch64": "AARCH64", "arm": "ARM"}
    known = _ARCHITECTURES.get(machine or platform.machine(), ())
    profile: dict[str, Any] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [one for rule in refused for one in _oci_rules(rule)],
    }
    if known:
        profile["architectures"] = [f"SCMP_ARCH_{names[name]}" for name, _ in known]
    return profile


def _oci_rules(rule: Rule) -> Iterator[dict[str, Any]]:
    refusal = {"names": list(rule.names), "action": "SCMP_ACT_ERRNO", "errnoRet": rule.errno}
    if not rule.patterns:
        yield refusal
    for one in rule.patterns:
        condition = {
            "index": one.argument,
            "value": one.mask,
            "valueTwo": one.value,
            "op": "SCMP_CMP_MASKED_EQ",
        }
        yield {**refusal, "args": [condition]}

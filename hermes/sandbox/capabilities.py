"""The names of the kernel's capabilities; see capabilities(7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hermes.errors import UsageError
from hermes.sandbox.process import BUILD_CAPABILITIES

NAMES: Final = tuple(
    f"CAP_{name}"
    for name in (
        *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE"),
        *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL"),
        *("LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE"),
        *("NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG"),
        *("SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE"),
        *("SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM"),
    )
)

_ALL: Final = "all"


def parse(text: str) -> str:
    """Return the full name of a capability, which may be given without ``CAP_``; raises `UsageError`."""
    name = text.upper()
    name = name if name.startswith("CAP_") else f"CAP_{name}"
    if name not in NAMES:
        import difflib

        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {near[0].removeprefix('CAP_')}?" if near else "see capabilities(7)"
        raise UsageError(f"{text!r} is not a capability", hint=hint)
    return name


def chosen(
    added: Sequence[str], dropped: Sequence[str], base: Sequence[str] = BUILD_CAPABILITIES
) -> tuple[str, ...]:
    """Return those of ``base``, with and without others; ``all`` is all. Raises `UsageError`.

    A text may name several, with commas. One that is both added and dropped by its name is dropped.
    """
    more, fewer = _named(added), _named(dropped)
    found = set() if _ALL in fewer else set(base)
    found |= set(NAMES) if _ALL in more else more
    return tuple(sorted(found - fewer))


def _named(texts: Sequence[str]) -> set[str]:
    names = (name.strip() for text in texts for name in text.split(","))
    return {_ALL if name.lower() == _ALL else parse(name) for name in names}

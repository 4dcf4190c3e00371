"""What is to run in a sandbox, as plain data; which sandbox runs it is another matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from hermes.sandbox.network import Network
    from hermes.sandbox.remote import Caller
    from hermes.sandbox.seccomp import Profile

HOSTNAME: Final = "hermes"
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

BUILD_CAPABILITIES: Final = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""What a command that builds may do, within its user namespace: enough for package managers."""

SERVER_CAPABILITIES: Final = (
    *BUILD_CAPABILITIES,
    "CAP_AUDIT_WRITE",
    "CAP_MKNOD",
    "CAP_NET_RAW",
)
"""What root in a container of docker has: enough for servers that bind a port and become another user."""

HIDDEN_FILES: Final = (
    *("/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug"),
    *("/proc/sysrq-trigger", "/proc/timer_list", "/proc/timer_stats"),
)
HIDDEN_FOLDERS: Final = ("/proc/acpi", "/proc/asound", "/proc/scsi")
READ_ONLY: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys")
"""What is empty, and what cannot be written, in a sandbox: root in it may be the machine's root to them."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Something mounted for one process at ``target``, an absolute path in its root.

    ``source`` is a path out of the root to bind; without it a tmpfs is mounted, with ``mode`` and at most
    ``size`` bytes (0: as many as the kernel allows).
    """

    target: str
    source: str = ""
    writable: bool = False
    size: int = 0
    mode: int = 0o1777

    @property
    def is_tmpfs(self) -> bool:
        return not self.source


@dataclass(frozen=True, slots=True)
class Process:
    """A command and all that it may see and do.

    ``program`` is the path in the root of what ``argv[0]`` means. ``env`` holds pairs of name and value, the
    whole environment. ``cwd`` is a path in the root. ``timeout`` is in seconds. With ``read_only`` the root cannot be written. ``session``: it is cut off
    from the terminal. ``disguised``: the namespace has one id only, and the command sees that as its own.
    Without ``own_pids`` the caller has made its pid namespace, and mounted the ``/proc`` of that in the root.
    ``seccomp`` is what the kernel refuses it; see `hermes.sandbox.seccomp`.
    """

    argv: tuple[str, ...]
    program: str
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    network: Network = "none"
    read_only: bool = False
    session: bool = True
    disguised: bool = False
    own_pids: bool = True
    mounts: tuple[Mount, ...] = ()
    timeout: float | None = None
    hostname: str = HOSTNAME
    seccomp: Profile = "build"

    @property
    def granted(self) -> tuple[str, ...]:
        """The capabilities that it has: none unless it is root, as in any container."""
        return self.capabilities if self.uid == 0 else ()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit status (128 and the signal's number for a signal), or a time-out."""

    status: int
    timed_out: bool = False


class Sandbox(Protocol):
    """Runs a process in a root file system, in the namespace of the caller."""

    def run(self, process: Process, root: str, stdio: tuple[int, int, int], caller: Caller) -> Ended:
        """Run ``process`` with ``root`` as its root and wait for it.

        ``caller`` connects its network, if it is ``default``. Raises `NetworkUnavailable` before the process begins.
        """
        ...

"""What is to run in a sandbox, as plain data; which sandbox runs it is another matter."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

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

    ``env`` holds pairs of name and value, the whole environment. ``cwd`` is a path in the root. With
    ``network`` it shares the machine's network, without it has only a loopback interface of its own.
    ``timeout`` is in seconds. With ``read_only`` the root cannot be written. ``session``: it is cut off
    from the terminal. ``disguised``: the namespace has one id only, and the command sees that as its own.
    Without ``own_pids`` the caller has made its pid namespace, and mounted the ``/proc`` of that in the root.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    network: bool = False
    read_only: bool = False
    session: bool = True
    disguised: bool = False
    own_pids: bool = True
    mounts: tuple[Mount, ...] = ()
    timeout: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Process:
        fields = dict(document)
        fields["mounts"] = tuple(Mount(**one) for one in document["mounts"])
        fields["env"] = tuple((name, value) for name, value in document["env"])
        for name in ("argv", "groups", "capabilities"):
            fields[name] = tuple(document[name])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit status (128 and the signal's number for a signal), or a time-out."""

    status: int
    timed_out: bool = False


class Sandbox(Protocol):
    """Runs a process in a root file system, in the namespace of the caller."""

    def run(self, process: Process, root: str, stdio: tuple[int, int, int]) -> Ended:
        """Run ``process`` with ``root`` as its root and wait for it."""
        ...

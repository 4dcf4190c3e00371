"""The network of a command: which it may have, and what one of its own looks like."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

Network = Literal["none", "default", "host"]
"""``none``: only a loopback interface. ``default``: a network namespace of its own with a way out. ``host``: this machine's."""

NETWORKS: Final[tuple[Network, ...]] = ("none", "default", "host")

INTERFACE: Final = "tap0"
ADDRESS: Final = "10.0.2.100"
PREFIX: Final = 24
GATEWAY: Final = "10.0.2.2"
RESOLVER: Final = "10.0.2.3"
"""Whatever gives the way out, a command sees the same IPv4 network, whose resolver asks that of this machine."""

HOSTS: Final = "/etc/hosts"
RESOLV_CONF: Final = "/etc/resolv.conf"
_LARGEST: Final = 1 << 20


Protocol = Literal["tcp", "udp"]


class Port(NamedTuple):
    """A port ``outer`` of this machine that leads to ``inner`` of a command.

    ``address`` is one of this machine, or empty for all that it has. With an ``outer`` of 0 any free port will do, with
    a ``last`` other than 0 any free one from ``outer`` to ``last``.
    """

    outer: int
    inner: int
    address: str = ""
    protocol: Protocol = "tcp"
    last: int = 0

    @property
    def here(self) -> str:
        """The port of this machine, after its address if it has one."""
        outer = f"{self.outer}-{self.last}" if self.last else str(self.outer)
        if not self.address:
            return outer
        return f"[{self.address}]:{outer}" if ":" in self.address else f"{self.address}:{outer}"

    def __str__(self) -> str:
        return f"{self.here} -> {self.inner}/{self.protocol}"


def hosts(network: Network, hostname: str, added: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return ``/etc/hosts`` for a command: ``added`` pairs of name and address, itself, and what its network knows."""
    lines = [*added, (f"localhost {hostname}", "127.0.0.1"), ("localhost ip6-localhost ip6-loopback", "::1")]
    own = "".join(f"{address}\t{names}\n" for names, address in lines)
    return own.encode() + (b"" if network == "none" else _content(HOSTS))


def resolver(network: Network) -> bytes:
    """Return ``/etc/resolv.conf`` for a command: nothing without a network.

    In a network of its own, name servers that it would look for in vain (on the machine's loopback interface, or by
    IPv6) give way to `RESOLVER`, which stands for them; see resolv.conf(5).
    """
    if network == "none":
        return b""
    machines = _content(RESOLV_CONF)
    if network == "host":
        return machines
    kept: dict[bytes, None] = {}
    replacement = f"nameserver {RESOLVER}".encode()
    for line in machines.splitlines():
        words = line.split()
        is_server = len(words) > 1 and words[0] == b"nameserver"
        lost = is_server and (b":" in words[1] or words[1].startswith(b"127."))
        kept[replacement if lost else line] = None
    if not any(line.startswith(b"nameserver") for line in kept):
        kept[replacement] = None
    return b"".join(line + b"\n" for line in kept)


def _content(path: str) -> bytes:
    """Return what a file of this machine holds, if it is one that can be read without waiting."""
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "rb") as file:
                return file.read(_LARGEST)
    return b""

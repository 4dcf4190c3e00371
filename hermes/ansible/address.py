"""How the process of a play and its clients find each other, and what they say.

The address is an abstract socket (unix(7)): no file is left behind. A client sends one `Command` with the descriptors of
its standard input, output and error, and gets notes, which are to be shown, and one answer.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Any, Final, NamedTuple

from hermes.errors import SandboxError

_CREDENTIALS: Final = struct.Struct("3i")
"""Process, user and group: ``struct ucred`` of unix(7)."""


class Command(NamedTuple):
    """A command for a working container; ``user``, ``network``, ``volumes`` and ``runtime`` are as in ``hermes ctr run``."""

    container: str
    argv: tuple[str, ...]
    user: str = ""
    network: str = "none"
    volumes: tuple[str, ...] = ()
    runtime: str = ""

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Command:
        lists = {name: tuple(document[name]) for name in ("argv", "volumes")}
        return cls(**{**document, **lists})


def address_of(play: int, home: str) -> str:
    """Return the address for the containers of ``home`` and a play: the process number of ``ansible-playbook``.

    Raises `SandboxError` where that process has ended.
    """
    try:
        with open(f"/proc/{play}/stat", encoding="utf-8", errors="replace") as file:
            started = file.read().rpartition(")")[2].split()[19]  # proc(5): starttime is field 22
    except OSError as error:
        raise SandboxError(f"the play (process {play}) has ended") from error
    inode = os.stat(home).st_ino if os.path.exists(home) else 0
    return f"\0hermes-ansible-{os.geteuid()}-{play}-{started}-{inode}"


def is_own(peer: socket.socket) -> bool:
    """Tell whether the other side of a connection is a process of this user; root's are not."""
    data = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(data)[1] == os.geteuid())

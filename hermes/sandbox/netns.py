"""The network namespace of a command that is yet to begin: its settings, and a way out. Runs in the user namespace."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import threading
from typing import Final, Self

from hermes.errors import SandboxError
from hermes.sandbox.remote import Caller
from hermes.sandbox.syscalls import CLONE_NEWNET, setns

_SETTINGS: Final = (
    # As in containers of docker: every user in it may bind every port, and ping; a range must be of ids that it has.
    ("ip_unprivileged_port_start", "0"),
    ("ping_group_range", "0 65535"),
    ("ping_group_range", "0 2147483647"),
)
_NETLINK_ROUTE: Final = 0
_RTMGRP_LINK: Final = 1  # rtnetlink(7)
_SIOCGIFFLAGS: Final = 0x8913  # netdevice(7)
_IFF_UP: Final = 1
_LONGEST_WAIT: Final = 10.0


class NetworkNamespace:
    """The network namespace of a process, which ``process`` (``/proc/PID``) is the folder of."""

    def __init__(self, process: str) -> None:
        self._error: SandboxError | None = None
        self._namespace = os.open(f"{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        thread = threading.Thread(target=self._enter)
        thread.start()
        thread.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._links.close()
        os.close(self._namespace)

    def _enter(self) -> None:
        """Go into the namespace, from which this thread cannot come back: the machine's is not ours."""
        try:
            setns(self._namespace, CLONE_NEWNET)
            self._links = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE)
            self._links.bind((0, _RTMGRP_LINK))
            for name, value in _SETTINGS:
                # Where /proc/sys cannot be written, or lacks it, a command needs the capability.
                with contextlib.suppress(OSError), open(f"/proc/sys/net/ipv4/{name}", "w") as file:
                    file.write(value)
        except OSError as error:
            self._error = SandboxError(f"the network namespace of the command: {error.strerror}")

    def connect(self, caller: Caller, process: int, sandbox: int) -> None:
        """Have the namespace of ``process`` connected once its loopback interface is up.

        The process ``sandbox`` brings it up, and would fail if it were up already. Raises `NetworkUnavailable`.
        """
        target, supervisor = os.pidfd_open(process), os.pidfd_open(sandbox)
        try:
            while not self._is_up():
                ready, _, _ = select.select(
                    [links := self._links.fileno(), supervisor], [], [], _LONGEST_WAIT
                )
                if supervisor in ready:
                    return  # its status and its output say why
                if links not in ready:
                    raise SandboxError("the sandbox did not bring up its loopback interface")
                self._links.recv(1 << 16)
            caller.connect(target)
        finally:
            os.close(target)
            os.close(supervisor)

    def _is_up(self) -> bool:
        request = struct.pack("16sh14x", b"lo", 0)
        flags: int = struct.unpack("16xh14x", fcntl.ioctl(self._links, _SIOCGIFFLAGS, request))[0]
        return bool(flags & _IFF_UP)

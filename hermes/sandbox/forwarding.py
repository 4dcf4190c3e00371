"""Leads what comes to ports of this machine to a command in a network namespace. A process of its own; see `begin`.

A socket stays in the network namespace that it was made in. So the process is given those that listen, enters the
command's namespace, and connects from there to the address by which the command is known there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hermes.sandbox.messages import receive_message, send_message
from hermes.sandbox.network import ADDRESS
from hermes.sandbox.ports import Listening
from hermes.sandbox.syscalls import CLONE_NEWNET, CLONE_NEWUSER, setns

_BOOT: Final = (
    "import sys; sys.path[:] = sys.argv[2:]; from hermes.sandbox import forwarding; forwarding.main()"
)
_NS_GET_USERNS: Final = 0xB701  # ioctl_ns(2)
_MOST_FDS: Final = 128
_CHUNK: Final = 1 << 16
_LARGEST_DATAGRAM: Final = 1 << 16
_STACK: Final = 1 << 18
_CONNECT: Final = 10.0
_IDLE: Final = 90.0
"""Seconds after which nobody waits for an answer to a datagram, as with docker."""
_MOST_FLOWS: Final = 512
_PAUSE: Final = 0.1
_RESET: Final = struct.pack("ii", 1, 0)
_IP_PKTINFO: Final = 8  # ip(7)


class Forwarding:
    """The process, seen from the one that starts it; it ends when that ends, or calls `end`."""

    def __init__(self) -> None:
        self._control, there = socket.socketpair()
        with there:
            os.set_inheritable(there.fileno(), True)
            self._pid = os.posix_spawn(
                sys.executable,
                [
                    *(sys.executable, "-X", "utf8", "-S", "-E", "-c", _BOOT),
                    *(str(there.fileno()), *sys.path),
                ],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
            )

    def enter(self, process: int, listening: Listening) -> str:
        """Have it lead to the namespace of a process; return why it cannot, or nothing."""
        pairs = [(made, one.port) for one in listening.listeners for made in one.sockets]
        send_message(
            self._control,
            {"process": process, "ports": [(port.protocol, port.inner) for _, port in pairs]},
        )
        for start in range(0, len(pairs), _MOST_FDS):
            part = [made.fileno() for made, _ in pairs[start : start + _MOST_FDS]]
            socket.send_fds(self._control, [b"s"], part)
        answer = receive_message(self._control)
        return "it ended without an answer" if answer is None else str(answer["refusal"])

    def end(self) -> None:
        self._control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def main() -> None:
    """Serve the socket whose number is the first argument, until its other side is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    message = receive_message(control)
    if message is None:
        return
    listeners: list[socket.socket] = []
    while len(listeners) < len(message["ports"]):
        _, fds, _, _ = socket.recv_fds(control, 1, _MOST_FDS)
        if not fds:
            return
        listeners.extend(socket.socket(fileno=fd) for fd in fds)
    refusal = ""
    try:
        _enter(message["process"])
    except OSError as error:
        refusal = f"the network namespace of the command: {error.strerror}"
    send_message(control, {"refusal": refusal})
    if not refusal:
        _limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        threading.stack_size(_STACK)
        _Serving(control, listeners, [inner for _, inner in message["ports"]]).serve()
    os._exit(0)  # threads may be waiting for their peers


def _enter(process: int) -> None:
    """Go into the network namespace of a process, and into the user namespace that it belongs to if that takes it."""
    namespace = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(namespace, CLONE_NEWNET)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        owner = fcntl.ioctl(namespace, _NS_GET_USERNS)
        setns(owner, CLONE_NEWUSER)
        os.close(owner)
        setns(namespace, CLONE_NEWNET)
    os.close(namespace)


@dataclass
class _Flow:
    """Datagrams between a ``client`` and the command: by which of our addresses it knows us, and when one came last."""

    outside: socket.socket
    client: tuple[object, ...]
    ancillary: list[tuple[int, int, bytes]]
    inside: socket.socket
    seen: float


class _Serving:
    def __init__(
        self, control: socket.socket, listeners: Sequence[socket.socket], inner: Sequence[int]
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._flows: dict[tuple[int, tuple[object, ...]], _Flow] = {}
        self._inner = {}
        for one, port in zip(listeners, inner, strict=True):
            one.setblocking(False)
            self._inner[one.fileno()] = port
            self._selector.register(one, selectors.EVENT_READ, one)
            if one.type == socket.SOCK_DGRAM:
                if one.family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                else:
                    one.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def serve(self) -> None:
        while True:
            for key, _ in self._selector.select(_IDLE):
                match key.data:
                    case None:
                        return
                    case _Flow() as flow:
                        self._answer(flow)
                    case socket.socket() as listener if listener.type == socket.SOCK_STREAM:
                        self._accept(listener)
                    case socket.socket() as listener:
                        self._pass_on(listener)
            self._forget(time.monotonic() - _IDLE)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:  # as many as this process may have are open: what waits is taken later
            time.sleep(_PAUSE)
            return
        inner = self._inner[listener.fileno()]
        try:
            threading.Thread(target=_connected, args=(client, inner), daemon=True).start()
        except RuntimeError:  # no more threads
            _reset(client)

    def _pass_on(self, listener: socket.socket) -> None:
        """Hand a datagram to the command, by a socket for each client, so that an answer finds the way back."""
        try:
            data, ancillary, _, client = listener.recvmsg(_LARGEST_DATAGRAM, socket.CMSG_SPACE(32))
        except OSError:
            return
        flow = self._flows.get((listener.fileno(), client))
        if flow is None:
            if len(self._flows) >= _MOST_FLOWS:
                self._forget(sorted(one.seen for one in self._flows.values())[_MOST_FLOWS // 8])
            try:
                inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            except OSError:  # it is lost, as datagrams may be
                return
            inside.setblocking(False)
            with contextlib.suppress(OSError):
                inside.connect((ADDRESS, self._inner[listener.fileno()]))
            flow = _Flow(listener, client, [], inside, 0)
            self._flows[listener.fileno(), client] = flow
            self._selector.register(inside, selectors.EVENT_READ, flow)
        flow.ancillary, flow.seen = ancillary, time.monotonic()
        with contextlib.suppress(OSError):
            flow.inside.send(data)

    def _answer(self, flow: _Flow) -> None:
        flow.seen = time.monotonic()
        with contextlib.suppress(OSError):
            data = flow.inside.recv(_LARGEST_DATAGRAM)
            flow.outside.sendmsg([data], flow.ancillary, 0, flow.client)

    def _forget(self, before: float) -> None:
        for name, flow in [*self._flows.items()]:
            if flow.seen <= before:
                del self._flows[name]
                self._selector.unregister(flow.inside)
                flow.inside.close()


def _connected(client: socket.socket, inner: int) -> None:
    """Serve a connection until both sides have said all."""
    try:
        command = socket.create_connection((ADDRESS, inner), _CONNECT)
    except OSError:
        _reset(client)
        return
    with client, command:
        for one in (client, command):
            one.settimeout(None)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=_copy, args=(command, client), daemon=True)
        try:
            back.start()
        except RuntimeError:
            return
        _copy(client, command)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the end of what ``source`` says; where one is broken, both are done with."""
    try:
        while data := source.recv(_CHUNK):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _reset(client: socket.socket) -> None:
    """Refuse a connection that was taken."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    client.close()

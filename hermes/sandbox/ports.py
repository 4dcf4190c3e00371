"""Ports of this machine that lead to a command: which there may be, and the sockets that listen on them."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Self

from hermes.errors import UsageError
from hermes.sandbox.network import Port, Protocol

_BACKLOG: Final = 512
_TRIES: Final = 16


class Listener(NamedTuple):
    """Where a port, which now has a number, is listened on."""

    port: Port
    sockets: tuple[socket.socket, ...]


class Listening:
    """Ports of this machine that are taken until `close`; a context manager. Raises `UsageError` where one is not free."""

    def __init__(self, asked: Sequence[Port]) -> None:
        self.asked = tuple(asked)
        self.listeners: list[Listener] = []
        try:
            for one in asked:
                self.listeners.append(_opened(one))
        except BaseException:
            self.close()
            raise

    @classmethod
    def left_to_programs(cls, asked: Sequence[Port]) -> Self:
        """Return ports that nobody listens on yet: programs that share this machine's network do it themselves."""
        made = cls(())
        made.asked = tuple(asked)
        return made

    def close(self) -> None:
        for listener in self.listeners:
            for one in listener.sockets:
                one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_shared(ports: Sequence[Port]) -> None:
    """Raises `UsageError` for ports that a program in this machine's network cannot bind."""
    for one in ports:
        if one.outer and not one.outer <= one.inner <= (one.last or one.outer):
            raise UsageError(
                f"--publish {one}: with this machine's network a port cannot become another one",
                hint=f"have the program listen on {one.outer}; a network of its own takes slirp4netns or pasta "
                "(`hermes doctor`)",
            )
        if one.address:
            raise UsageError(
                f"--publish {one}: with this machine's network the program itself decides at which addresses it listens",
                hint="leave the address out; a network of its own takes slirp4netns or pasta (`hermes doctor`)",
            )


def _opened(port: Port) -> Listener:
    numbers = range(port.outer, port.last + 1) if port.last else (port.outer,) * (1 if port.outer else _TRIES)
    for number in numbers:
        chosen = port._replace(outer=number, last=0)
        try:
            return _bound(chosen)
        except OSError as error:
            refusal = error
            if error.errno != errno.EADDRINUSE:
                break
    raise UsageError(
        f"--publish {port}: {port.here} of this machine cannot be used: {refusal.strerror}",
        hint={
            errno.EACCES: "only root publishes ports below 1024",
            errno.EADDRINUSE: "choose another port",
            errno.EADDRNOTAVAIL: "give one of this machine's addresses, or none",
            errno.EMFILE: "publish fewer ports, or raise the limit of open files (ulimit -n)",
        }.get(refusal.errno or 0),
    )


def _bound(port: Port) -> Listener:
    with contextlib.ExitStack() as opened:
        found: list[socket.socket] = []
        for family, address in _addresses(port.address):
            made = _socket(family, port.protocol)
            if made is None:
                continue
            one = opened.enter_context(made)
            try:
                one.bind((address, port.outer))
            except OSError as error:
                if found and not port.address and error.errno == errno.EADDRNOTAVAIL:
                    continue  # IPv6 is turned off
                raise
            if port.protocol == "tcp":
                one.listen(_BACKLOG)
            found.append(one)
            port = port._replace(outer=one.getsockname()[1])
        opened.pop_all()
        return Listener(port, tuple(found))


def _addresses(address: str) -> Iterator[tuple[socket.AddressFamily, str]]:
    if not address:
        yield socket.AF_INET, "0.0.0.0"  # noqa: S104 - as docker publishes ports
        yield socket.AF_INET6, "::"
    else:
        yield (socket.AF_INET6 if ":" in address else socket.AF_INET), address


def _socket(family: socket.AddressFamily, protocol: Protocol) -> socket.socket | None:
    """Return a socket, or nothing where this machine has no IPv6."""
    try:
        made = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT and family == socket.AF_INET6:
            return None
        raise
    if protocol == "tcp":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made

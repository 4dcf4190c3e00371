"""Messages between a program and the process of its user namespace: JSON objects, each after its length.

The length is four bytes, the most significant first.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket

_LENGTH: Final = struct.Struct("!I")


def send_message(to: socket.socket, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    to.sendall(_LENGTH.pack(len(data)) + data)


def receive_message(source: socket.socket) -> dict[str, Any] | None:
    """Return the next message, or None when the other side is gone."""
    head = _receive(source, _LENGTH.size)
    body = head and _receive(source, _LENGTH.unpack(head)[0])
    if body is None:
        return None
    message: dict[str, Any] = json.loads(body)
    return message


def _receive(source: socket.socket, count: int) -> bytes | None:
    parts = []
    while count:
        try:
            data = source.recv(min(count, 1 << 20))
        except ConnectionError:
            return None
        if not data:
            return None
        parts.append(data)
        count -= len(data)
    return b"".join(parts)

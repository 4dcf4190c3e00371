"""SSH agents for a command: what it connects to passes on requests to sign, and no others.

A command could else take keys out of the user's agent, or lock it. It also needs no right of its own to the
agent's socket, which asks for its owner. See the draft "SSH Agent Protocol" (draft-ietf-sshm-ssh-agent), sections 3-5.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from hermes.container.task import Agent

_REQUEST_IDENTITIES: Final = 11
_SIGN_REQUEST: Final = 13
_PASSED_ON: Final = (_REQUEST_IDENTITIES, _SIGN_REQUEST)
_FAILURE: Final = b"\x05"
_LENGTH: Final = 4
_LARGEST: Final = 256 * 1024
_AT_ONCE: Final = 32


@contextmanager
def forwarded(agents: Sequence[Agent], folder: str) -> Iterator[tuple[Agent, ...]]:
    """Give agents whose sockets are new ones in ``folder``, from which what is allowed goes to their own."""
    with contextlib.ExitStack() as held:
        yield tuple(
            one._replace(socket=held.enter_context(_forwarded(one.socket, folder, str(number))))
            for number, one in enumerate(agents)
        )


def connected(path: str) -> socket.socket:
    """Return a connection to the socket at ``path``, however long that is; raises `OSError`."""
    made = socket.socket(socket.AF_UNIX)
    try:
        with _short(os.path.dirname(path) or ".") as folder:
            made.connect(f"{folder}/{os.path.basename(path)}")
    except BaseException:
        made.close()
        raise
    return made


@contextmanager
def _short(folder: str) -> Iterator[str]:
    """Give a name of a folder that fits into the address of a socket; see unix(7)."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


@contextmanager
def _forwarded(agent: str, folder: str, name: str) -> Iterator[str]:
    with socket.socket(socket.AF_UNIX) as listener:
        with _short(folder) as short:
            listener.bind(f"{short}/{name}")
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, agent), name="agent", daemon=True)
        thread.start()
        try:
            yield f"{folder}/{name}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # which ends the wait for a client
            thread.join()


def _serve(listener: socket.socket, agent: str) -> None:
    places = threading.BoundedSemaphore(_AT_ONCE)
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        if places.acquire(blocking=False):
            threading.Thread(target=_relay, args=(client, agent, places), name="agent", daemon=True).start()
        else:
            client.close()


def _relay(client: socket.socket, agent: str, places: threading.BoundedSemaphore) -> None:
    """Answer a client until it or the agent hangs up."""
    try:
        with client, connected(agent) as there:
            while (request := _received(client)) is not None:
                answer: bytes | None = _FAILURE
                if request[0] in _PASSED_ON:
                    _send(there, request)
                    answer = _received(there)
                if answer is None:
                    return
                _send(client, answer)
    except OSError:
        return
    finally:
        places.release()


def _received(stream: socket.socket) -> bytes | None:
    """Return the next message, which begins with its type; None at the end, and for malformed data."""
    head = _exactly(stream, _LENGTH)
    size = int.from_bytes(head or b"")
    return _exactly(stream, size) if 0 < size <= _LARGEST else None


def _exactly(stream: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        piece = stream.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return bytes(data)


def _send(stream: socket.socket, message: bytes) -> None:
    stream.sendall(len(message).to_bytes(_LENGTH) + message)

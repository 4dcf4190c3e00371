"""What a command may ask an SSH agent for, and what it may not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.container.secrets.agents import connected, forwarded
from hermes.container.task import Agent

IDENTITIES, SIGN, REMOVE_ALL, LOCK, EXTENSION = b"\x0b", b"\x0d", b"\x13", b"\x16", b"\x1b"
FAILURE = b"\0\0\0\1\5"


class Recording:
    """An agent that answers every message with the same bytes after a ``!``, and keeps them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[bytes] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                while len(head := client.recv(4, socket.MSG_WAITALL)) == 4:
                    message = client.recv(int.from_bytes(head), socket.MSG_WAITALL)
                    self.asked.append(message)
                    client.sendall((len(message) + 1).to_bytes(4) + b"!" + message)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    monkeypatch.chdir(tmp_path)
    made = Recording(Path("agent"))
    made.path = tmp_path / "agent"
    yield made
    made.close()


def ask(stream: socket.socket, message: bytes) -> bytes:
    stream.sendall(len(message).to_bytes(4) + message)
    return stream.recv(1 << 16)


def test_signing_is_passed_on_and_nothing_else(agent: Recording, tmp_path: Path) -> None:
    with forwarded([Agent("default", "/run/agent", str(agent.path))], str(tmp_path)) as (one,):
        assert one.socket != str(agent.path)
        with connected(one.socket) as stream:
            assert ask(stream, IDENTITIES) == b"\0\0\0\2!\x0b"
            for refused in (REMOVE_ALL, LOCK + b"word", EXTENSION, b"\xff"):
                assert ask(stream, refused) == FAILURE
            assert ask(stream, SIGN + b"data") == b"\0\0\0\6!\x0ddata"
    assert agent.asked == [IDENTITIES, SIGN + b"data"]
    with pytest.raises(OSError, match="refused"):
        connected(one.socket)


def test_what_is_no_message_ends_the_connection(agent: Recording, tmp_path: Path) -> None:
    with forwarded([Agent("default", "/run/agent", str(agent.path))], str(tmp_path)) as (one,):
        for wrong in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
            with connected(one.socket) as stream:
                stream.sendall(wrong)
                assert stream.recv(1) == b""
    assert agent.asked == []


def test_without_the_agent_a_connection_ends(tmp_path: Path) -> None:
    agent = Agent("default", "/run/agent", str(tmp_path / "gone"))
    with forwarded([agent], str(tmp_path)) as (one,), connected(one.socket) as stream:
        assert stream.recv(1) == b""


def test_a_path_may_be_longer_than_the_address_of_a_socket(agent: Recording, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150)
    folder.mkdir()
    with forwarded([Agent("default", "/run/agent", str(agent.path))], str(folder)) as (one,):
        assert len(one.socket) > 108
        with connected(one.socket) as stream:
            assert ask(stream, IDENTITIES) == b"\0\0\0\2!\x0b"


def test_many_clients_at_once_have_an_end(agent: Recording, tmp_path: Path) -> None:
    with forwarded([Agent("default", "/run/agent", str(agent.path))], str(tmp_path)) as (one,):
        streams = [connected(one.socket) for _ in range(40)]
        for stream in streams[32:]:
            assert stream.recv(1) == b""
        for stream in streams:
            stream.close()

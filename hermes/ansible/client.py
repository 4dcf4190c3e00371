"""What the connection plugin calls: commands in a container, by way of the one process of the play.

A task of Ansible is a process of its own, with a connection of its own. The first that needs a container starts the process
of the play (`hermes.ansible.plays`); it ends with ``ansible-playbook``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import IO, Any, NamedTuple

from hermes.ansible.address import Command, address_of, is_own
from hermes.errors import SandboxError, error_of
from hermes.sandbox.messages import receive_message, send_message


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes


class Play:
    """The process that runs the commands of a play in the containers of the store at ``home``.

    ``play`` is the process number of ``ansible-playbook``; ``note`` is told what a command waits for, and of warnings.
    """

    def __init__(self, play: int, home: str, note: Callable[[str], None] = lambda _: None) -> None:
        self._play = play
        self._home = home
        self._note = note

    def run(self, command: Command, *, given: bytes | None = None) -> Done:
        """Run a command to whose standard input ``given`` is written. Raises the `HermesError` of its failure to start."""
        read_in, write_in = os.pipe()
        read_out, write_out = os.pipe()
        with open(write_in, "wb", buffering=0) as sink, open(read_out, "rb") as stdout:
            read_err, write_err = os.pipe()
            with open(read_err, "rb") as stderr:
                answer = self._ask(command, (read_in, write_out, write_err))
                feeding = threading.Thread(target=_feed, args=(sink, given or b""))
                feeding.start()
                done = self._ended(answer, stdout=stdout, stderr=stderr)
                feeding.join()
        return done

    def put(self, command: Command, path: str) -> Done:
        """Run a command that reads a file of this machine from its standard input."""
        with open(path, "rb") as file, open(os.devnull, "wb") as nothing:
            return self._with_files(command, os.dup(file.fileno()), os.dup(nothing.fileno()))

    def fetch(self, command: Command, path: str) -> Done:
        """Run a command whose standard output is written to a file of this machine."""
        with open(os.devnull, "rb") as nothing, open(path, "wb") as file:
            return self._with_files(command, os.dup(nothing.fileno()), os.dup(file.fileno()))

    def _with_files(self, command: Command, stdin: int, stdout: int) -> Done:
        read_err, write_err = os.pipe()
        with open(read_err, "rb") as stderr:
            answer = self._ask(command, (stdin, stdout, write_err))
            return self._ended(answer, stderr=stderr)

    def _ended(self, answer: socket.socket, **streams: IO[bytes]) -> Done:
        """Return how a command ended and what it printed; meanwhile ``note`` is told what it waits for."""
        found = {"stdout": b"", "stderr": b""}
        readers = [_reading(stream, found, name) for name, stream in streams.items()]
        try:
            status = self._status(answer)
        finally:
            for one in readers:
                one.join()
        return Done(status, found["stdout"], found["stderr"])

    def _ask(self, command: Command, stdio: tuple[int, int, int]) -> socket.socket:
        """Send a command and close this process's ends of its standard input, output and error."""
        try:
            peer = self._connected()
            socket.send_fds(peer, [b"c"], stdio)
            send_message(peer, command._asdict())
        finally:
            for fd in stdio:
                os.close(fd)
        return peer

    def _status(self, answer: socket.socket) -> int:
        with closing(answer):
            while message := receive_message(answer):
                if "note" in message:
                    self._note(message["note"])
                    continue
                if "error" in message:
                    raise error_of(message["error"])
                status: int = message["status"]
                return status
        raise SandboxError("the process that runs the commands of the play has ended (was it killed?)")

    def _connected(self) -> socket.socket:
        address = address_of(self._play, self._home)
        peer = _connect(address)
        if peer is None:
            _start(self._play, self._home)
            peer = _connect(address)
        if peer is None:
            raise SandboxError("the process that runs the commands of the play does not start")
        return peer


def _connect(address: str) -> socket.socket | None:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.connect(address)
    except ConnectionRefusedError:
        peer.close()
        return None
    if not is_own(peer):
        peer.close()
        raise SandboxError("another user listens where the process of this play is to be")
    return peer


def _start(play: int, home: str) -> None:
    """Start the process of a play, and return when it listens, or when it ended because another does."""
    ready, signal = os.pipe()
    with open(ready, "rb") as answer:
        try:
            environment: dict[str, Any] = {**os.environ, "HERMES_HOME": home}
            subprocess.Popen(
                [sys.executable, "-m", "hermes.ansible.plays", str(play), str(signal)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(signal,),
                start_new_session=True,
                env=environment,
            )
        finally:
            os.close(signal)
        answer.read()


def _reading(source: IO[bytes], found: dict[str, bytes], name: str) -> threading.Thread:
    def read() -> None:
        found[name] = source.read()

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def _feed(sink: IO[bytes], data: bytes) -> None:
    """Write all to a pipe and close it; a command need not read what it is given."""
    view = memoryview(data)
    try:
        while view:
            view = view[sink.write(view) :]
    except BrokenPipeError:
        pass
    finally:
        sink.close()

"""The one process of a play, which runs commands in containers: ``python -m hermes.ansible.plays PLAY READY``.

It keeps the store and the user namespace open, so a command costs what the command itself does. It ends when the process
PLAY (``ansible-playbook``) does, and with it all that it runs. READY is a descriptor that it closes when it listens.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from hermes.ansible.address import Command, address_of, is_own
from hermes.sandbox.messages import receive_message, send_message
from hermes.store.location import default_home

if TYPE_CHECKING:
    from hermes.api.containers import Containers
    from hermes.sandbox.network import Network

_BACKLOG: Final = 128


def main() -> None:
    play, ready = int(sys.argv[1]), int(sys.argv[2])
    home = default_home()
    ended = os.pidfd_open(play)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        try:
            listening.bind(address_of(play, str(home)))
        except OSError:  # another task of the play was as fast
            return
        listening.listen(_BACKLOG)
        os.close(ready)
        _serve(listening, ended)


class _Notes:
    """Sends warnings, and what a command waits for, to who asked for the command: each has a thread of its own."""

    def __init__(self) -> None:
        self._of = threading.local()

    def send_to(self, peer: socket.socket) -> None:
        """Send what is said in this thread to ``peer``."""
        self._of.peer = peer

    def say(self, text: str) -> None:
        with suppress(AttributeError, OSError):
            send_message(self._of.peer, {"note": text})


def _serve(listening: socket.socket, ended: int) -> None:
    from hermes.api.containers import Containers

    notes = _Notes()
    containers = Containers(say=notes.say)
    with containers.kept_open():
        while True:
            found, _, _ = select.select([listening.fileno(), ended], [], [])
            if ended in found:
                break
            peer, _ = listening.accept()
            threading.Thread(target=_answer, args=(containers, peer, notes), daemon=True).start()


def _answer(containers: Containers, peer: socket.socket, notes: _Notes) -> None:
    """Run the command that a client sends, and tell how it ended."""
    from hermes.errors import HermesError

    with peer, suppress(ConnectionError):
        if not is_own(peer):
            return
        _, stdio, _, _ = socket.recv_fds(peer, 1, 3)
        message = receive_message(peer)
        notes.send_to(peer)
        answer: dict[str, Any]
        try:
            if message is None or len(stdio) != 3:
                return
            answer = {"status": _run(containers, Command.from_json(message), stdio)}
        except HermesError as error:
            answer = {"error": error.to_data()}
        finally:
            for fd in stdio:
                os.close(fd)
        send_message(peer, answer)


def _run(containers: Containers, command: Command, stdio: list[int]) -> int:
    from hermes.api.command_options import CommandOptions
    from hermes.api.mount_options import Mounts
    from hermes.api.run_options import volume
    from hermes.sandbox.choice import check_name

    check_name(command.runtime)
    options = CommandOptions(
        user=command.user,
        network=cast("Network", command.network),
        mounts=Mounts(bound=tuple(map(volume, command.volumes))),
        runtime=command.runtime,
    )
    stdin, stdout, stderr = stdio
    return containers.run(command.container, command.argv, options, (stdin, stdout, stderr))


if __name__ == "__main__":
    main()

"""Which SSH agents RUN may use (``--ssh``): those that run here, or one that is started with the keys of files."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from hermes.errors import UsageError

DEFAULT: Final = "default"
"""The agent that ``RUN --mount=type=ssh`` means where it names none."""

_VARIABLE: Final = "SSH_AUTH_SOCK"
_FORMAT: Final = "write --ssh default, --ssh ID=SOCKET or --ssh ID=KEY,KEY"
_LARGEST_KEY: Final = 100 * 1024
_KEEPER: Final = '"$0" -D -s & exec >&-; read -r end; kill $!; wait'
"""Ends an agent when it is told to, or when this process has ended in whatever way.

The agent alone has the standard output, so that its end is seen there.
"""
_SOCKET: Final = re.compile(rf"{_VARIABLE}=([^;]+);")


@dataclass(frozen=True, slots=True)
class AgentSource:
    """An agent called ``id``: the one that listens at the socket or has the keys at ``paths``.

    Without ``paths`` it is the one of the variable ``SSH_AUTH_SOCK``.
    """

    id: str = DEFAULT
    paths: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> AgentSource:
        """Return what ``ID`` or ``ID=PATH[,PATH]`` means; raises `UsageError`."""
        from hermes.store.caches import NAME

        name, _, rest = text.partition("=")
        if not NAME.fullmatch(name):
            raise UsageError(f"--ssh {text}: {name!r} cannot be the name of an agent", hint=_FORMAT)
        paths = tuple(rest.split(",")) if rest else ()
        if "" in paths:
            raise UsageError(f"--ssh {text}: a path is empty", hint=_FORMAT)
        return cls(name, paths)

    def located(self) -> tuple[str, ...]:
        """Return the one socket, or the files of keys; raises `UsageError`."""
        paths = tuple(map(os.path.abspath, map(os.path.expanduser, self.paths)))
        if not paths:
            if not os.environ.get(_VARIABLE):
                raise UsageError(
                    f"--ssh {self.id}: no agent runs here, because {_VARIABLE} is not set",
                    hint="start one (eval $(ssh-agent); ssh-add), or name a socket or a key: "
                    f"--ssh {self.id}=PATH",
                )
            paths = (os.path.abspath(os.environ[_VARIABLE]),)
        kinds = {self._is_socket(path) for path in paths}
        if True in kinds and len(paths) > 1:
            raise UsageError(f"--ssh {self.id}: a socket stands alone", hint=_FORMAT)
        if not self.paths and False in kinds:
            raise UsageError(f"--ssh {self.id}: {_VARIABLE} names {paths[0]}, which is not a socket")
        return paths

    def _is_socket(self, path: str) -> bool:
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            of = "" if self.paths else f" (of {_VARIABLE})"
            raise UsageError(
                f"--ssh {self.id}: {path}{of}: {error.strerror}",
                hint="name the socket of an agent that runs, or the file of a private key",
            ) from None
        if not (stat.S_ISSOCK(mode) or stat.S_ISREG(mode)):
            raise UsageError(f"--ssh {self.id}: {path} is neither a socket nor the file of a key")
        return stat.S_ISSOCK(mode)


def read_agents(sources: Sequence[AgentSource]) -> dict[str, tuple[str, ...]]:
    """Return the socket or the keys of each agent by its id; raises `UsageError` when one cannot be used."""
    found: dict[str, tuple[str, ...]] = {}
    for one in sources:
        if one.id in found:
            raise UsageError(f"--ssh {one.id} is given twice", hint="give each agent a name of its own")
        found[one.id] = one.located()
    return found


@contextmanager
def running(agents: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Give the sockets of agents, by id; those of keys run for as long. Raises `UsageError`."""
    with contextlib.ExitStack() as held:
        found = {}
        for name, paths in agents.items():
            if os.path.isfile(paths[0]):
                found[name] = held.enter_context(_private(name, paths))
                continue
            from hermes.container.secrets.agents import connected

            try:
                connected(paths[0]).close()
            except OSError as error:
                raise UsageError(
                    f"--ssh {name}: no agent answers at {paths[0]}: {error.strerror}",
                    hint="start one (eval $(ssh-agent); ssh-add)",
                ) from None
            found[name] = paths[0]
        yield found


@contextmanager
def _private(name: str, keys: Sequence[str]) -> Iterator[str]:
    """Start an agent that has these keys and nothing else; give its socket, and end it."""
    import shutil
    import subprocess

    programs = [shutil.which(one) for one in ("ssh-agent", "ssh-add")]
    if not all(programs):
        raise UsageError(
            f"--ssh {name}={','.join(keys)}: a key needs an agent, and ssh-agent or ssh-add is not installed",
            hint="install the package openssh-client",
        )
    agent, adder = map(str, programs)
    with subprocess.Popen(
        ["sh", "-c", _KEEPER, agent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = _SOCKET.match(process.stdout.readline())
            if said is None:
                raise UsageError(
                    f"--ssh {name}: {agent} does not start", hint="try it by hand: ssh-agent true"
                )
            for key in keys:
                _add(adder, said[1], name, key)
            yield said[1]
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write("\n")
                process.stdin.flush()


def _add(program: str, path: str, name: str, key: str) -> None:
    """Have an agent take a private key, which goes through a pipe: what the file's mode is does not matter here."""
    import subprocess

    try:
        with open(key, "rb") as file:
            data = file.read(_LARGEST_KEY)
    except OSError as error:
        raise UsageError(f"--ssh {name}: {key}: {error.strerror}") from None
    done = subprocess.run(
        [program, "-q", "-"],
        input=data,
        env={**os.environ, _VARIABLE: path, "SSH_ASKPASS": "false", "SSH_ASKPASS_REQUIRE": "never"},
        capture_output=True,
        check=False,
        start_new_session=True,  # so it finds no terminal to ask for a passphrase
    )
    if done.returncode:
        raise UsageError(
            f"--ssh {name}: {key} cannot be used: it is not a private key, or has a passphrase",
            hint=f"add a key with a passphrase to an agent of your own (ssh-add), and give --ssh {name}",
        )

"""A user namespace in which this user may own and change a whole root file system.

One child process holds the namespace and answers calls, each in a process of its own that it forks: a call
costs milliseconds, and when this process ends or is killed, everything in the namespace ends with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from hermes.errors import BuildInterrupted, HermesError, SandboxError, error_of
from hermes.sandbox.idmap import IdMap, IdRange, current_map, lines
from hermes.sandbox.messages import receive_message, send_message
from hermes.sandbox.remote import P, R, Remote, RemoteCommand, Stdio, decoded, encoded

if TYPE_CHECKING:
    import socket

Connect = Callable[[int], None]
"""Connects the network namespace of a process, given by its number, with the machine's network."""

_BOOT: Final = "import sys; sys.path[:] = sys.argv[3:]; from hermes.sandbox import zygote; zygote.main()"


class Namespace:
    """Starts its process at the first `call`; `close` ends it and all that runs in it.

    The process has the environment of this one without the variables in ``hidden``. It loads the modules
    ``preloaded``, and that of its first call, before it is asked for anything: what a call loads is loaded again by
    the next.
    """

    def __init__(self, hidden: Iterable[str] = (), preloaded: Iterable[str] = ()) -> None:
        self._hidden = frozenset(hidden)
        self._preloaded = tuple(preloaded)
        self._guard = threading.Lock()
        self._control: socket.socket | None = None
        self._pid = 0
        self._closed = False
        self._is_ready = False
        self._map: IdMap | None = None

    @property
    def map(self) -> IdMap:
        """The ids of the namespace."""
        if self._map is None:
            self._map = current_map()
        return self._map

    def another(self) -> Namespace:
        """Return a namespace of the same kind, not begun."""
        return Namespace(self._hidden, self._preloaded)

    def start(self, first: Remote[P, R] | RemoteCommand[P, R] | None = None) -> None:
        """Start the process before it is needed, if that is quick now and would not be in a thread.

        It goes on making the namespace, and loads what ``first`` needs, when this returns.
        """
        with self._guard:
            if self._control is None and not self._closed and self._is_alone():
                modules = () if first is None else (first.module,)
                with contextlib.suppress(SandboxError):  # the caller that needs it gets the error
                    self._control = self._start((*self._preloaded, *modules))

    def call(self, remote: Remote[P, R], parameters: P) -> R:
        """Call a function in the namespace, and return what it returns.

        Raises the `HermesError` that the function raised, `SandboxError` when there can be no namespace, and
        `BuildInterrupted` when `close` ended the call.
        """
        return self._called(remote, parameters, (), None)

    def run(
        self,
        remote: RemoteCommand[P, R],
        parameters: P,
        stdio: Stdio,
        connect: Connect | None = None,
    ) -> R:
        """As `call`, with the descriptors of a command's standard input, output and error.

        A command with a network of its own is connected by ``connect``, whose errors are raised here.
        """
        return self._called(remote, parameters, stdio, connect)

    def _called(
        self,
        remote: Remote[P, R] | RemoteCommand[P, R],
        parameters: P,
        fds: Sequence[int],
        connect: Connect | None,
    ) -> R:
        import socket

        here, there = socket.socketpair()
        with here, there:
            with self._guard:
                if self._closed:
                    raise BuildInterrupted
                if self._control is None:
                    self._control = self._start((*self._preloaded, remote.module))
                if not self._is_ready:
                    self._await_ready(self._control)
                    self._is_ready = True
                socket.send_fds(self._control, [b"c"], [there.fileno(), *fds])
            there.close()
            send_message(
                here, {"module": remote.module, "name": remote.name, "parameters": encoded(parameters)}
            )
            while (answer := receive_message(here)) and "connect" in answer:
                _connect(here, connect)
        if answer is None:
            if self._closed:
                raise BuildInterrupted
            raise SandboxError(
                f"the process that was to {remote.task} ended without an answer (was it killed?)"
            )
        if "error" in answer:
            raise error_of(answer["error"])
        if "bug" in answer:
            raise RuntimeError(f"in the namespace process: {answer['bug']}")
        result: R = decoded(remote.result, answer["value"])
        return result

    def close(self) -> None:
        """End the namespace's process and everything in it; nothing is left when this returns."""
        with self._guard:
            self._closed = True
            if self._control is not None:
                if not self._is_ready:  # until then what it forks does not end with it
                    receive_message(self._control)
                self._control.close()
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGTERM)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self._pid, 0)
                self._control = None

    def _is_alone(self) -> bool:
        return threading.active_count() == 1 and not self._hidden

    def _start(self, modules: Sequence[str]) -> socket.socket:
        import socket

        here, there = socket.socketpair()
        self._pid = _fork(there, modules) if self._is_alone() else _spawn(there, modules, self._hidden)
        there.close()
        try:
            refusal = receive_message(here)
            if refusal is None:
                raise SandboxError("the namespace process ended at its start")
            if refusal:
                raise no_namespace(refusal["errno"])
            write_map(self._pid, self.map)
            here.sendall(b"m")
        except BaseException:
            self._give_up(here)
            raise
        return here

    def _await_ready(self, control: socket.socket) -> None:
        """Wait until the process that was started serves calls."""
        try:
            ready = receive_message(control)
            if ready is None:
                raise SandboxError("the namespace process ended at its start")
            if ready:
                raise no_namespace(ready["errno"])
        except BaseException:
            self._control = None
            self._give_up(control)
            raise

    def _give_up(self, control: socket.socket) -> None:
        control.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _connect(call: socket.socket, connect: Connect | None) -> None:
    """Do what `hermes.sandbox.remote.Caller.connect` asks for."""
    import socket

    _, fds, _, _ = socket.recv_fds(call, 1, 1)
    try:
        if connect is None:
            raise SandboxError("nothing connects the network of this command")
        connect(_number_of(fds[0]))
        send_message(call, {})
    except HermesError as error:
        send_message(call, {"error": error.to_data()})
    finally:
        for fd in fds:
            os.close(fd)


def _number_of(process: int) -> int:
    """Return the number that a process has here, whatever it is in the namespace; see pidfd_open(2)."""
    with open(f"/proc/self/fdinfo/{process}", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line)
    return int(fields["Pid"])


def _fork(control: socket.socket, modules: Sequence[str]) -> int:
    """Start the process as a copy of this one, which is quick, and safe while there is one thread."""
    pid = os.fork()
    if pid == 0:
        from hermes.sandbox import zygote

        zygote.begin(control, modules)
    return pid


def _spawn(control: socket.socket, modules: Sequence[str], hidden: Collection[str]) -> int:
    """Start the process as a new interpreter: other threads may hold locks that a copy would wait for.

    It has this one's environment without the variables ``hidden``.
    """
    os.set_inheritable(control.fileno(), True)
    arguments = [str(control.fileno()), ",".join(modules), *sys.path]
    command = [sys.executable, "-X", "utf8", "-S", "-E", "-c", _BOOT, *arguments]
    return os.posix_spawn(
        sys.executable,
        command,
        {name: value for name, value in os.environ.items() if name not in hidden},
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)],
        setsid=True,
    )


def write_map(pid: int, ids: IdMap) -> None:
    """Give the user namespace of a process its ids; raises `SandboxError`."""
    if ids.needs_tools:
        _run_tool("newuidmap", pid, ids.uids)
        _run_tool("newgidmap", pid, ids.gids)
        return
    if not ids.whole:
        _write(f"/proc/{pid}/setgroups", b"deny")
    _write(f"/proc/{pid}/gid_map", lines(ids.gids))
    _write(f"/proc/{pid}/uid_map", lines(ids.uids))


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    except OSError as error:
        raise SandboxError(f"{path}: {error.strerror}", hint="run `hermes doctor`") from error
    finally:
        os.close(fd)


def _run_tool(tool: str, pid: int, ranges: tuple[IdRange, ...]) -> None:
    numbers = [str(number) for one in ranges for number in one]
    child = os.posix_spawnp(tool, [tool, str(pid), *numbers], os.environ)
    _, status = os.waitpid(child, 0)
    if status:
        raise SandboxError(
            f"{tool} refused the subordinate ids of this user",
            hint=f"check /etc/subuid and /etc/subgid, and that {tool} is setuid root (`hermes doctor`)",
        )


def no_namespace(number: int) -> SandboxError:
    """Say why there can be no user namespace, by the number of the kernel's refusal."""
    reason = os.strerror(number)
    if number in (errno.EPERM, errno.EACCES):
        hint = (
            "this machine does not let users make user namespaces: see the sysctls "
            "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns, and in a "
            "container its seccomp profile (`hermes doctor`)"
        )
    elif number == errno.ENOSPC:
        hint = "raise the sysctl user.max_user_namespaces"
    else:
        hint = "run `hermes doctor`"
    return SandboxError(f"no user namespace can be made here: {reason}", hint=hint)

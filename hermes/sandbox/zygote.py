"""The process that holds a user namespace and forks one process per call. See `hermes.sandbox.namespace`.

It has one thread, so it may fork at any time. It is process 1 of a pid namespace, so the kernel ends everything in
there with it (pid_namespaces(7)): also what sandboxes have just started, and what asks for no signal when its parent
ends. It ends itself when nobody is left to call it, which its socket tells, however that process ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
from collections.abc import Iterable
from typing import Any, Final

from hermes.errors import HermesError
from hermes.sandbox.binfmt import HANDLERS
from hermes.sandbox.messages import receive_message, send_message
from hermes.sandbox.remote import Caller, Served
from hermes.sandbox.stage import children
from hermes.sandbox.syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    mount,
    set_mount_attributes,
    unshare,
)
from hermes.store.io_errors import store_error

_MOST_FDS: Final = 16
_CHILD_ENDED: Final = (signal.SIGCHLD,)


def main() -> None:
    """Serve calls on the socket whose number is the first argument, until its other side is closed.

    The second argument names the modules to load before, with commas between them.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    serve(control, sys.argv[2].split(","))


def begin(control: socket.socket, modules: Iterable[str]) -> None:
    """Serve calls in a process that was forked for it. Does not return.

    What the program has open is closed here without its objects knowing, so none of them may be finalized: they
    would close descriptors that have got their numbers.
    """
    gc.freeze()
    try:
        os.setsid()
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        serve(control, modules)
    except BaseException:  # noqa: BLE001 - nothing of it may go on in this copy of the program
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def serve(control: socket.socket, modules: Iterable[str]) -> None:
    """Make the namespaces, and serve calls in them; ``modules`` are loaded while ids are given to them.

    This process stays as the parent of the one that serves.
    """
    _close_inherited(control.fileno())
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody is left who would call
        if _make_user_namespace(control, modules) and _begin_processes(control):
            _serve(control)


def _make_user_namespace(control: socket.socket, modules: Iterable[str]) -> bool:
    """Tell whether the namespace was made and has got its ids; the other side is told why not."""
    try:
        unshare(CLONE_NEWUSER)
    except OSError as error:
        send_message(control, {"errno": error.errno})
        return False
    send_message(control, {})
    for name in modules:
        importlib.import_module(name)
    return bool(control.recv(1))


def _begin_processes(control: socket.socket) -> bool:
    """Go on in process 1 of a pid namespace; tell whether this is that, and all is well.

    The other one, its parent, waits here for its end.
    """
    try:
        _become_root()
        unshare(CLONE_NEWPID)
        first = os.fork()
        if first == 0:
            unshare(CLONE_NEWNS)
            mount(None, "/", None, MS_REC | MS_PRIVATE)
            _show_processes()
            _keep_devices()
            _keep_cgroups()
    except OSError as error:
        send_message(control, {"errno": error.errno})
        return False
    if first:
        control.close()
        _watch(first)
        return False
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    send_message(control, {})
    return True


def _watch(first: int) -> None:
    """Wait for process 1 of the pid namespace, and so for all of it; end it when this process is told to end."""
    process = os.pidfd_open(first)

    def end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    os.waitpid(first, 0)


def _show_processes() -> None:
    """Let processes have the numbers in ``/proc`` that they have for each other.

    The machine's handlers of binfmt_misc stay to be seen in it.
    """
    handlers = os.open(HANDLERS, os.O_PATH) if os.path.exists(f"{HANDLERS}/status") else None
    with contextlib.suppress(
        PermissionError
    ):  # part of it is hidden; see `hermes.sandbox.stage.check_processes`
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        if handlers is not None:
            mount(f"/proc/self/fd/{handlers}", HANDLERS, None, MS_BIND)
            set_mount_attributes(HANDLERS, add=MOUNT_ATTR_RDONLY)
    if handlers is not None:
        os.close(handlers)


def _close_inherited(kept: int) -> None:
    """Close inherited file descriptors so that commands cannot see them."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _become_root() -> None:
    with contextlib.suppress(PermissionError):  # a namespace of one id may not change its groups
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _keep_devices() -> None:
    """Bind device nodes read-only: root's commands own them on the host."""
    with contextlib.suppress(OSError):  # a kernel before 5.12
        mount("/dev", "/dev", None, MS_BIND | MS_REC)
        set_mount_attributes("/dev", add=MOUNT_ATTR_RDONLY, recursive=True)
    with contextlib.suppress(OSError):  # shared memory holds no device nodes, and may hold the store
        if os.path.ismount("/dev/shm"):  # noqa: S108 - not a temporary file
            set_mount_attributes("/dev/shm", add=MOUNT_ATTR_NODEV, clear=MOUNT_ATTR_RDONLY)  # noqa: S108


def _keep_cgroups() -> None:
    """Let nobody in this namespace make a cgroup namespace.

    Who owns one can mount the cgroups of the machine, which belong to root, and so to root's commands here.
    """
    with contextlib.suppress(OSError):  # a kernel without them, or where /proc/sys is read-only
        unshare(CLONE_NEWCGROUP)
        with open("/proc/sys/user/max_cgroup_namespaces", "w", encoding="utf-8") as file:
            file.write("0")


def _serve(control: socket.socket) -> None:
    calls: set[int] = set()
    signal.signal(signal.SIGCHLD, lambda *_: _end_orphans(calls))
    while True:
        _, fds, _, _ = socket.recv_fds(control, 1, _MOST_FDS)
        if not fds:
            return
        for fd in fds:
            os.set_inheritable(fd, False)
        signal.pthread_sigmask(signal.SIG_BLOCK, _CHILD_ENDED)
        call = os.fork()
        if call == 0:
            control.close()
            status = 1
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD_ENDED)
                _answer(fds)
                status = 0
            finally:
                os._exit(status)
        calls.add(call)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD_ENDED)
        for fd in fds:
            os.close(fd)


def _end_orphans(calls: set[int]) -> None:
    """Take note of calls that have ended, and end what one that was killed has left behind.

    The caller would wait for what has the output of a command open.
    """
    with contextlib.suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            calls.discard(pid)
    for pid in children():
        if pid not in calls:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _answer(fds: list[int]) -> None:
    caller = socket.socket(fileno=fds[0])
    call = receive_message(caller)
    if call is None:
        return
    send_message(caller, _result(call, fds[1:], Caller(caller)))


def _result(call: dict[str, Any], fds: list[int], caller: Caller) -> dict[str, Any]:
    try:
        served: Served[Any, Any] = getattr(importlib.import_module(call["module"]), call["name"])
        return {"value": served.answer(call["parameters"], fds, caller)}
    except HermesError as error:
        return {"error": error.to_data()}
    except OSError as error:
        return {"error": store_error(error, "the store").to_data()}
    except Exception:  # noqa: BLE001 - a bug is reported where somebody sees it
        import traceback

        return {"bug": traceback.format_exc()}

"""What every sandbox needs around a command: a place for what it mounts, limits, and waiting for its end."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import termios
import time
from collections.abc import Collection
from typing import Final

from hermes.errors import SandboxError
from hermes.sandbox.process import Ended, Process
from hermes.sandbox.syscalls import (
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_REC,
    mount,
    set_mount_attributes,
)

_STAGES: Final = ("/mnt", "/media", "/opt", "/srv", "/tmp")  # noqa: S108 - only the name of a folder that is covered
_PR_SET_CHILD_SUBREAPER: Final = 36


class Stage:
    """A folder that any user can reach, with the root and all that is to be mounted in it.

    The command's user may not be allowed through the folders above the store, so nothing is named by its
    path there: each source is bound here first. ``needed`` is one more folder, bound read-only as ``tool``.
    It is a tmpfs in the caller's mount namespace, so it is gone when that is.
    """

    def __init__(self, root: str, process: Process, needed: str = "") -> None:
        sources = [root, *(one.source for one in process.mounts if one.source)]
        fds = [os.open(source, os.O_PATH | os.O_CLOEXEC) for source in sources]
        needed_fd = os.open(needed, os.O_PATH | os.O_CLOEXEC) if needed else -1
        self.folder = _place_beside(root)
        self._count = 0
        mount("hermes", self.folder, "tmpfs", 0, "mode=0755")
        self.tool = self._bind(needed_fd, "tool") if needed else ""
        if self.tool:
            protect(self.tool)
        self.root = self._bind(fds[0], "root")
        self.sources = {
            source: self._bind(fd, str(number))
            for number, (source, fd) in enumerate(zip(sources, fds, strict=True))
            if number
        }

    def tmpfs(self, size: int, mode: int) -> str:
        """Return a new empty folder in memory, of at most ``size`` bytes (0: as many as the kernel allows)."""
        self._count += 1
        target = f"{self.folder}/memory{self._count}"
        os.mkdir(target)
        limit = f",size={size}" if size else ""
        mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode:o}{limit}")
        return target

    def _bind(self, fd: int, name: str) -> str:
        target = f"{self.folder}/{name}"
        source = f"/proc/self/fd/{fd}"
        if os.path.isdir(source):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        mount(source, target, None, MS_BIND | MS_REC)
        os.close(fd)
        return target


def _place_beside(root: str) -> str:
    """Return a folder that may be covered: one that does not hold ``root``, beside which the caller goes on working."""
    inside = f"{os.path.realpath(root)}/"
    for folder in _STAGES:
        if os.path.isdir(folder) and not inside.startswith(f"{os.path.realpath(folder)}/"):
            return folder
    raise SandboxError(
        f"none of {', '.join(_STAGES)} can be used to work in",
        hint="one must exist that does not hold the store",
    )


def protect(path: str) -> None:
    """Make a mount read-only: a program in it is in reach of what it starts, as ``/proc/1/exe``.

    Kernels before 5.12 cannot do it without naming all other options; they still refuse to write to a
    program that runs.
    """
    with contextlib.suppress(OSError):
        set_mount_attributes(path, add=MOUNT_ATTR_RDONLY, recursive=True)


def prepare(stdio: tuple[int, int, int], kept: Collection[int], *, terminal: bool = False) -> None:
    """Make the calling process, which is to become a sandbox, what a command expects to come from.

    It has ``stdio`` and ``kept`` as its only descriptors (others may lead out of the sandbox), no signal is ignored
    or blocked, whatever Python or ``nohup`` does, and core dumps are off. With ``terminal`` its standard input, if it
    is one, becomes the terminal that controls it.
    """
    for number, fd in enumerate(stdio):
        os.dup2(fd, number)
    for name in os.listdir("/proc/self/fd"):
        if (fd := int(name)) > 2 and fd not in kept:
            with contextlib.suppress(OSError):
                os.close(fd)
    for fd in kept:
        os.set_inheritable(fd, True)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _leave_no_core()
    if terminal and os.isatty(0):
        os.setsid()
        with contextlib.suppress(PermissionError):  # it controls the process that started Hermes
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _leave_no_core() -> None:
    """Keep the memory of commands off the disk.

    One byte holds no core file; and where the kernel pipes cores to a program, which a limit of 0 does not
    stop, 1 means none (fs/coredump.c).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    most = 0 if hard == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def check_processes() -> None:
    """Raise `SandboxError` where no sandbox can have a ``/proc`` of its own processes; see proc(5)."""
    if not _sees_processes():
        raise SandboxError(
            "no command can have its own /proc here, because parts of this one are hidden, as in containers",
            hint="run the container that Hermes is in with --security-opt systempaths=unconfined "
            "(podman: unmask=ALL), or --privileged",
        )


def _sees_processes() -> bool:
    """Tell whether ``/proc`` is that of this process's pid namespace."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self") == str(os.getpid())
    return False


def adopt() -> None:
    """Make this process the parent of what its children leave behind; see `end_rest`."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_rest() -> None:
    """End what a sandbox left behind, and wait for it.

    Its death ends the processes in it, but not at once; and a process that it had just started may not know of it.
    """
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def children() -> list[int]:
    """Return the children of this process, as proc(5) lists them for each of its threads.

    There are none to be seen where ``/proc`` is that of another pid namespace.
    """
    found: list[int] = []
    if not _sees_processes():
        return found
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/children", "rb") as file:
            found += map(int, file.read().split())
    return found


def wait(pid: int, timeout: float | None) -> Ended:
    """Wait for a child, and kill it when ``timeout`` seconds are over."""
    if timeout is not None:
        deadline = time.monotonic() + timeout
        process = os.pidfd_open(pid)
        try:
            while not select.select([process], [], [], max(0.0, deadline - time.monotonic()))[0]:
                if time.monotonic() >= deadline:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    return Ended(128 + signal.SIGKILL, timed_out=True)
        finally:
            os.close(process)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return Ended(code if code >= 0 else 128 - code)

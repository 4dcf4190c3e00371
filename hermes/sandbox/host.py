"""A sandbox for the tools of this machine: its system folders, read-only, and one root that they fill.

The command may mount (debootstrap and its like want to), which takes CAP_SYS_ADMIN in its user namespace, and
as root its user 0 is the machine's. So nothing that protects the machine may be a mount that the command could
undo: all of it is mounted here, before bwrap makes the namespaces of the command, where it is then locked; see
mount_namespaces(7), "Restrictions on mount namespaces".
"""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from hermes.errors import HermesError, SandboxError, error_of
from hermes.sandbox.bubblewrap import Bubblewrap
from hermes.sandbox.network import HOSTS, RESOLV_CONF, Network, hosts, resolver
from hermes.sandbox.process import (
    DEFAULT_PATH,
    HIDDEN_FILES,
    HIDDEN_FOLDERS,
    HOSTNAME,
    READ_ONLY,
    Ended,
    Mount,
    Process,
)
from hermes.sandbox.remote import Caller
from hermes.sandbox.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    die_with_parent,
    mount,
    set_mount_attributes,
    unshare,
)

ROOT: Final = "/run/hermes/root"
"""Where the command finds the root that it fills: below a tmpfs, so no machine can lack it."""

EMPTY: Final = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - paths of the sandbox
"""Folders that are empty, writable, and forgotten."""

_SHOWN: Final = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/etc", "/opt", "/nix", "/gnu", "/var/cache", "/var/lib"),
)
_FOLDERS: Final = ("/dev", "/proc", "/home", "/media", "/mnt", "/root", "/srv", "/sys")
_PRIVATE: Final = (
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
)
_FIXED: Final = {"/etc/hostname": f"{HOSTNAME}\n".encode(), "/etc/machine-id": b""}


def shows(path: str) -> bool:
    """Tell whether a path of this machine is one of those that a command sees."""
    return path.startswith(tuple(f"{one}/" for one in _SHOWN))


class HostSandbox:
    """See `hermes.sandbox.process.Sandbox`. The root is mounted at `ROOT`, and is all that lasts.

    ``folder`` is one for this alone, ``hidden`` are folders of the machine that are shown empty.
    """

    def __init__(self, bwrap: tuple[str, str], folder: str, hidden: Sequence[str]) -> None:
        self._bwrap = bwrap
        self._folder = folder
        self._view = f"{folder}/host"
        self._hidden = hidden

    def run(self, process: Process, root: str, stdio: tuple[int, int, int], caller: Caller) -> Ended:
        """Run the process in a mount and a pid namespace that a child of this process makes.

        It takes a grandchild: who makes a pid namespace is not in it, and only who is in it can mount its
        processes. This process keeps its own, for it is going to need threads.
        """
        answers, answer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(answers)
            _answer(answer, lambda: self._prepared(process, root), lambda it: self._start(it, stdio, caller))
        os.close(answer)
        with open(answers, "rb") as file:
            text = file.read()
        os.waitpid(child, 0)
        if not text:
            raise SandboxError("the process for a host tool ended without an answer (was it killed?)")
        found = json.loads(text)
        if "error" in found:
            raise error_of(found["error"])
        return Ended(**found)

    def _prepared(self, process: Process, root: str) -> Process:
        unshare(CLONE_NEWNS)
        view = self._view
        os.mkdir(view)
        _show_host(view)
        _hide(view, self._hidden)
        fixed = tuple(self._fixed(process.network))
        empty = tuple(Mount(path) for path in EMPTY)
        mounts = (*empty, *fixed, Mount(ROOT, root, writable=True), *process.mounts)
        for one in mounts:
            _need(view, one)
        set_mount_attributes("/", add=MOUNT_ATTR_RDONLY, recursive=True)
        set_mount_attributes(root, clear=MOUNT_ATTR_RDONLY)
        unshare(CLONE_NEWPID)
        return replace(process, mounts=mounts, own_pids=False)

    def _start(self, process: Process, stdio: tuple[int, int, int], caller: Caller) -> Ended:
        _mount_proc(f"{self._view}/proc")
        return Bubblewrap(self._bwrap).run(process, self._view, stdio, caller)

    def _fixed(self, network: Network) -> Iterator[Mount]:
        """Yield files that would tell the machine's name and network, as every command is to see them."""
        names = {HOSTS: hosts(network, HOSTNAME), RESOLV_CONF: resolver(network)}
        for path, content in {**names, **_FIXED}.items():
            if os.path.lexists(f"{self._view}{path}"):
                source = f"{self._folder}/{os.path.basename(path)}"
                with open(source, "wb") as file:
                    file.write(content)
                yield Mount(os.path.realpath(path), source)


def _answer(answer: int, prepare: Callable[[], Process], start: Callable[[Process], Ended]) -> None:
    """Prepare in the forked child, start in a child of that, and write how it went. Does not return."""
    try:
        die_with_parent(signal.SIGKILL)
        try:
            prepared = prepare()
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                return
            die_with_parent(signal.SIGKILL)
            ended = start(prepared)
            found: dict[str, Any] = {"status": ended.status, "timed_out": ended.timed_out}
        except HermesError as error:
            found = {"error": error.to_data()}
        except OSError as error:
            refused = SandboxError(
                f"the machine cannot be shown to a host tool: {error.filename}: {error.strerror}",
                hint="run `hermes doctor`; Linux 5.12 or later is needed",
            )
            found = {"error": refused.to_data()}
        except Exception:  # noqa: BLE001 - a bug is reported where somebody sees it
            found = {"error": SandboxError(traceback.format_exc()).to_data()}
        os.write(answer, json.dumps(found).encode())
    finally:
        os._exit(0)


def _show_host(view: str) -> None:
    mount("hermes", view, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
    for path in (*_FOLDERS, *EMPTY):
        os.makedirs(f"{view}{path}")
    for path in _SHOWN:
        target = f"{view}{path}"
        if os.path.islink(path):
            os.symlink(os.readlink(path), target)
        elif os.path.isdir(path):
            os.makedirs(target)
            mount(path, target, None, MS_BIND | MS_REC)
            _protect(target)


def _hide(view: str, hidden: Sequence[str]) -> None:
    system = {"/", "/var", *_SHOWN, *DEFAULT_PATH.split(":")}
    for path in (*map(os.path.realpath, hidden), *_PRIVATE):
        target = f"{view}{path}"
        if os.path.isdir(target) and path not in system:
            mount("hermes", target, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755")
        elif os.path.isfile(target):
            mount("/dev/null", target, None, MS_BIND)


def _need(view: str, one: Mount) -> None:
    """Make a mount point that is neither the machine's nor in a folder that begins empty."""
    target = f"{view}{one.target}"
    if one.target.startswith(tuple(f"{path}/" for path in EMPTY)) or os.path.lexists(target):
        return
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(one.source):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except OSError as error:
        raise SandboxError(
            f"{one.target}: cannot be mounted in the machine's read-only folders ({error.strerror})"
        ) from error


def _mount_proc(target: str) -> None:
    """Mount the processes of the pid namespace that the next child begins, with what is the machine's sealed."""
    mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for one in READ_ONLY:
        path = f"{target}{one.removeprefix('/proc')}"
        if os.path.isdir(path):
            mount(path, path, None, MS_BIND | MS_REC)
            _protect(path)
    for path in HIDDEN_FILES:
        hidden = f"{target}{path.removeprefix('/proc')}"
        if os.path.exists(hidden):
            mount("/dev/null", hidden, None, MS_BIND)
    for path in HIDDEN_FOLDERS:
        hidden = f"{target}{path.removeprefix('/proc')}"
        if os.path.exists(hidden):
            mount("hermes", hidden, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0555")
            _protect(hidden)


def _protect(target: str) -> None:
    set_mount_attributes(target, add=MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, recursive=True)

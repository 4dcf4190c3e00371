"""`Sandbox` by an OCI runtime, crun or runc, through a bundle. Runs in a user namespace that owns the root.

As with bubblewrap, the container has a user namespace of its own inside that one, in which every id is itself
(see the architecture). The runtime is process 1 of one more process namespace, so that all of it ends with
the process that wanted it, and what it writes is in a tmpfs of that one's mount namespace: nothing is left
behind however it ends. See the OCI runtime specification, config.md and config-linux.md.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from hermes.errors import NetworkUnavailable, SandboxError
from hermes.sandbox import devices, init, seccomp
from hermes.sandbox.idmap import IdRange, same_inside
from hermes.sandbox.netns import NetworkNamespace
from hermes.sandbox.process import DEFAULT_PATH, HIDDEN_FILES, HIDDEN_FOLDERS, READ_ONLY, Ended, Process
from hermes.sandbox.remote import Caller
from hermes.sandbox.stage import Stage, adopt, check_processes, end_rest, prepare, wait
from hermes.sandbox.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    die_with_parent,
    mount,
    set_mount_attributes,
    unshare,
)

_ID: Final = "hermes"  # it has a state folder of its own
_CGROUPS: Final = "/sys/fs/cgroup"
_FLAGS: Final = {
    "/dev": ("nodev",),
    "/dev/shm": ("nodev",),  # noqa: S108 - a path of the container
    "/dev/pts": ("noexec",),
}
_CAPABILITY_SETS: Final = ("bounding", "effective", "permitted", "inheritable", "ambient")
_OPTIONS: Final = {
    "crun": ("--cgroup-manager=disabled",),
    "runc": ("--rootless=true",),
}


def find(name: str) -> str:
    """Return the path of a runtime; raises `SandboxError` when it is not installed."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        raise SandboxError(
            f"{name} is not installed", hint=f"install the package {name}, or use bubblewrap: --runtime bwrap"
        )
    return path


class OciRuntime:
    """See `hermes.sandbox.process.Sandbox`. ``name`` is one of `hermes.sandbox.choice.RUNTIMES`, ``path`` what `find` returned."""

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path

    def run(self, process: Process, root: str, stdio: tuple[int, int, int], caller: Caller) -> Ended:
        """Run the process. Every mount point of it must exist in ``root``.

        Raises `SandboxError` with what the runtime said when it starts no container.
        """
        check_processes()
        stage = Stage(root, process)
        bundle = Path(stage.folder, "bundle")
        bundle.mkdir()
        with open(bundle / "config.json", "w", encoding="utf-8") as file:
            json.dump(configuration(process, stage), file)
        init.write(f"{bundle}/init")
        adopt()
        pid = os.fork()
        if pid == 0:
            _own_processes(self._name, self._path, bundle, stdio, lambda: _connect(process, bundle, caller))
        try:
            ended = wait(pid, process.timeout)
        finally:
            end_rest()
        if (bundle / "unconnected").exists():
            raise NetworkUnavailable((bundle / "unconnected").read_text(encoding="utf-8"))
        if not ended.timed_out and not (bundle / "started").exists():
            raise SandboxError(
                f"{self._name} could not start the command: {_said(bundle / 'log')}",
                hint="use bubblewrap: --runtime bwrap; `hermes doctor` tries all of them",
            )
        return ended


def _said(log: Path) -> str:
    """Return the last message in a runtime's log: JSON with a ``msg``, or text."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return str(json.loads(lines[-1])["msg"])
    except (OSError, IndexError, ValueError, KeyError, TypeError):
        return "it did not say why"


def _connect(process: Process, bundle: Path, caller: Caller) -> None:
    """Give the network namespace of a created container its settings and its network; a file says why it has none."""
    if process.network == "host":
        return
    pid = int((bundle / "pid").read_bytes())
    with NetworkNamespace(f"/proc/{pid}") as network:
        if process.network == "default":
            try:
                network.connect(caller, pid, pid)
            except SandboxError as error:
                (bundle / "unconnected").write_text(error.message, encoding="utf-8")
                os._exit(126)


def _own_processes(
    name: str, path: str, bundle: Path, stdio: tuple[int, int, int], created: Callable[[], None]
) -> None:
    """Run the container in a new process namespace, and end as its command does. Does not return.

    ``created`` is called before it is started.
    """
    status = 126
    try:
        die_with_parent(signal.SIGKILL)
        unshare(CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            die_with_parent(signal.SIGKILL)
            status = _supervise(name, path, bundle, stdio, created)
        else:
            _, ended = os.waitpid(pid, 0)
            status = _exit_status(ended)
    except OSError as error:
        _report(f"{error.filename or name}: {error.strerror}")
    finally:
        os._exit(status)


def _supervise(
    name: str, path: str, bundle: Path, stdio: tuple[int, int, int], created: Callable[[], None]
) -> int:
    """Start the container as process 1 of a namespace, to which what ends falls; return its exit status.

    The runtime does not stay: it would put pipes between the command and its standard output.
    """
    unshare(CLONE_NEWNS)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _set_cgroups_aside(name)
    general = [name, f"--root={bundle}/state", f"--log={bundle}/log", "--log-format=json", *_OPTIONS[name]]
    create = [f"--bundle={bundle}", f"--pid-file={bundle}/pid", "--preserve-fds=1"]
    ended: dict[int, int] = {}
    for arguments in (["create", *create, _ID], ["start", _ID]):
        runtime = os.fork()
        if runtime == 0:
            _become(path, [*general, *arguments], stdio, f"{bundle}/init")
        if status := _waited(runtime, ended):
            return _exit_status(status)
        if arguments[0] == "create":
            created()
    (bundle / "started").touch()
    return _exit_status(_waited(int((bundle / "pid").read_bytes()), ended))


def _waited(pid: int, ended: dict[int, int]) -> int:
    """Wait for a child to end, of all that do; ``ended`` collects their statuses."""
    while pid not in ended:
        child, status = os.wait()
        ended[child] = status
    return ended[pid]


def _exit_status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(path: str, arguments: list[str], stdio: tuple[int, int, int], program: str) -> None:
    """Turn the forked child into the runtime. Does not return."""
    try:
        prepare(stdio, ())
        init.become_source(program)
        os.execve(path, arguments, {"PATH": DEFAULT_PATH})
    except OSError as error:
        _report(f"{path}: {error.strerror}")
    finally:
        os._exit(126)


def _report(text: str) -> None:
    sys.stderr.write(f"hermes: {text}\n")
    sys.stderr.flush()


def _set_cgroups_aside(name: str) -> None:
    """Let the runtime make none: a build sets no limits, and one that is killed would leave them behind.

    runc goes on where they cannot be written. Debian's crun 1.8 refuses to start where version 2 is mounted
    beside version 1, so it sees none.
    """
    if not os.path.ismount(_CGROUPS):
        return
    if name == "crun":
        mount("hermes", _CGROUPS, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64k")
    else:
        set_mount_attributes(_CGROUPS, add=MOUNT_ATTR_RDONLY, recursive=True)


def configuration(process: Process, stage: Stage) -> dict[str, Any]:
    """Return the ``config.json`` that gives a process what bubblewrap would."""
    namespaces = ["user", "pid", "mount", "ipc", "uts"]
    if process.network != "host":
        namespaces.append("network")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {
                "uid": process.uid,
                "gid": process.gid,
                "umask": 0o022,
                **({"additionalGids": list(process.groups)} if process.groups else {}),
            },
            "args": init.arguments(process.program, process.argv),
            "env": [f"{name}={value}" for name, value in _environment(process)],
            "cwd": process.cwd,
            "capabilities": {kind: list(process.granted) for kind in _CAPABILITY_SETS},
            "noNewPrivileges": True,
        },
        "root": {"path": stage.root, "readonly": process.read_only},
        "hostname": process.hostname,
        "mounts": list(_mounts(process, stage)),
        "linux": {
            "namespaces": [{"type": name} for name in namespaces],
            "uidMappings": _mappings("uid", process.uid, process),
            "gidMappings": _mappings("gid", process.gid, process),
            "maskedPaths": [*HIDDEN_FILES, *HIDDEN_FOLDERS],
            "readonlyPaths": list(READ_ONLY),
            "seccomp": seccomp.oci_profile(seccomp.rules(process.seccomp, process.granted)),
        },
    }


def _environment(process: Process) -> Iterator[tuple[str, str]]:
    for name, value in process.env:
        if name != "PWD":
            yield name, value
    yield "PWD", process.cwd


def _mappings(kind: str, own: int, process: Process) -> list[dict[str, int]]:
    ranges = (IdRange(own, 0, 1),) if process.disguised else same_inside(kind)
    return [{"containerID": one.inside, "hostID": one.outside, "size": one.count} for one in ranges]


def _mounts(process: Process, stage: Stage) -> Iterator[dict[str, Any]]:
    yield _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev")
    for target, source in devices.make(f"{stage.folder}/dev"):
        yield _mount(target, "bind", source, "rbind", "nosuid", "rw", *_FLAGS.get(target, ()))
    for one in process.mounts:
        # A tmpfs of runc's own would have the mode of the folder that it covers.
        source = stage.tmpfs(one.size, one.mode) if one.is_tmpfs else stage.sources[one.source]
        access = "rw" if one.writable or one.is_tmpfs else "ro"
        yield _mount(one.target, "bind", source, "rbind", "nosuid", "nodev", access)


def _mount(target: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}

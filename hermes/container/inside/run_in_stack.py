"""A command in a stack of layers, in the user namespace.

`run` is one call of `hermes.sandbox.namespace.Namespace`; see `hermes.container.inside.scratch` for what that leaves behind.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from hermes.container.calls.commands import RUN, Running
from hermes.container.inside.hosts import names_of_machines
from hermes.container.inside.placing import Asked, placed
from hermes.container.inside.private import (
    UsedCaches,
    give_sockets,
    write_secrets,
)
from hermes.container.inside.rootpath import MountPoints, find_program, resolve
from hermes.container.inside.scratch import scratch_of, store_at
from hermes.container.inside.users import find_user
from hermes.container.lowers import Tree
from hermes.container.mount_values import Tmpfs
from hermes.container.overlay import mount_stack
from hermes.container.secrets.leaks import Leak, Search, leaked
from hermes.container.stack import Upper
from hermes.container.task import KeptFile, Outcome, Staged, StagedFile, Task
from hermes.container.users import User
from hermes.digest import CHUNK
from hermes.errors import BuildError, ProgramMissing, ProgramRefused, SandboxError, SecretError
from hermes.sandbox.binfmt import HANDLERS
from hermes.sandbox.choice import sandbox
from hermes.sandbox.emulators import emulate
from hermes.sandbox.idmap import has_one_id
from hermes.sandbox.process import DEFAULT_PATH, Ended, Mount, Process, Sandbox
from hermes.sandbox.remote import Caller, Stdio, serves_command
from hermes.sandbox.syscalls import MNT_DETACH, umount
from hermes.store import Store
from hermes.store.blobs import write_all

if TYPE_CHECKING:
    from hermes.layer.diff import OwnerOf

_FIXED_ENV: Final = {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8", "TZ": "UTC"}
_MOST_MADE: Final = 10_000
_SHOWN: Final = 5
_REFUSED: Final = 126
"""The exit status of a program that cannot be executed; others may end with it, too."""
_READ_BY_SHELL: Final = (2, 127)
"""How a shell ends that the file of a program of another architecture was given to, as a script without a first line."""
_LEAK_HINT: Final = (
    "read a secret from where it is mounted and write it nowhere; what only this command needs can be in /tmp"
)
_REMOVED_HINT: Final = "those files have been removed from the container; write a secret nowhere"


@serves_command(RUN)
def run(call: Running, stdio: Stdio, caller: Caller) -> Outcome:
    with store_at(call.home) as store, scratch_of(store) as scratch:
        container = Container(store, call.task, scratch, dict(call.caches), dict(call.emulators))
        return container.run(sandbox(call.task.runtime, call.where), stdio, caller)


class Container:
    """A root file system of this process alone, for one command."""

    def __init__(
        self,
        store: Store,
        task: Task,
        scratch: str,
        caches: Mapping[str, str] = MappingProxyType({}),
        emulators: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._task = task
        self._scratch = scratch
        self._trees = [Tree.open(f"{store.trees}/{one.diff_id.hex}", one.name) for one in task.stack]
        self._upper = task.upper or Upper(f"{scratch}/tree/root", f"{scratch}/work")
        self._root = task.root
        self._owner: OwnerOf | None = None
        self._emulators = emulators
        self._handlers = HANDLERS
        self._writable: dict[str, str] = {}
        self._search = Search({one.id: one.value for one in task.secrets})
        self._caches = UsedCaches(task.caches, caches, self._search, str(store.trees))

    def run(self, sandbox: Sandbox, stdio: Stdio, caller: Caller) -> Outcome:
        if self._task.begun:
            from hermes.container.inside.beginning import begin

            self._owner = begin(self._store, self._task.begun, self._upper.upper, self._trees)
        if not self._root:
            self._root = mount_stack(self._trees, self._scratch, target="merged", upper=self._upper)
        with MountPoints(self._root, self._task.upper.points if self._task.upper else "") as points:
            process = self._process(points)
            self._emulate(process.program)
            self._caches.watch()
            try:
                with self._searched():
                    try:
                        ended = sandbox.run(process, self._root, stdio, caller)
                    finally:
                        points.remove()
                    if ended.status in (_REFUSED, *_READ_BY_SHELL):
                        self._explain(process.program, ended.status)
            finally:
                self._caches.check()
        if self._task.root:
            return Outcome(ended.status, ended.timed_out)
        if ended.status:
            umount(self._root, MNT_DETACH)
            return Outcome(ended.status, ended.timed_out)
        outs = tuple(self._keep(path) for path in self._task.outs)
        umount(self._root)
        return self._committed(ended, outs)

    def _emulate(self, program: str) -> None:
        """Register emulators if the program is of another architecture; raises `ProgramRefused` where that cannot be."""
        if emulate(
            program, resolve(self._root, program), self._find, f"{self._scratch}/emulators", self._emulators
        ):
            self._handlers = f"{self._scratch}/emulators"

    def _find(self, path: str) -> str | None:
        found = resolve(self._root, path)
        return found if os.path.lexists(found) else None

    def _explain(self, program: str, status: int) -> None:
        """Raise `ProgramRefused` where the file of a program that ended as one that was refused shows why it was."""
        from hermes.sandbox.executables import refusal_of

        found = refusal_of(program, resolve(self._root, program), self._find, self._handlers)
        if found and (found.is_foreign or status == _REFUSED):
            raise ProgramRefused(found.reason, hint=found.hint)

    def _now(self) -> int:
        """Return the time as the store's file system has it, in nanoseconds."""
        with open(f"{self._scratch}/now", "wb") as file:
            return os.fstat(file.fileno()).st_ctime_ns

    @contextmanager
    def _searched(self) -> Iterator[None]:
        """Take what holds a secret out of a container that is kept; raises `SecretLeaked` for that.

        While nobody has looked, a mark says so; where there is one of a command that was killed it stays.
        """
        if self._task.upper is None or not self._search:
            yield
            return
        mark = self._task.upper.unsearched
        was_marked = os.path.exists(mark)
        with open(mark, "wb"):
            pass
        since = self._now()
        yield
        leaks = self._search.in_folder(self._upper.upper, since)
        for leak in leaks:
            self._search.remove(self._root, leak)
        if not was_marked:
            os.unlink(mark)
        if leaks:
            raise leaked(leaks, self._search.masker, _REMOVED_HINT)

    def _process(self, points: MountPoints) -> Process:
        task = self._task
        user = find_user(self._root, task.user)
        disguised = bool(user.uid or user.gid) and has_one_id()
        if disguised and (task.commit or task.outs):
            raise SandboxError(
                f"the command is to run as {user.uid}:{user.gid}, ids that this user has not been given",
                hint="give the user a subordinate range (`hermes doctor` says how)",
            )
        env = _environment(task, user)
        program = _bound_program(task) or self._program(env["PATH"])
        for path in ("/proc", "/dev"):
            if points.need(path, directory=True) != path:
                raise SandboxError(
                    f"{path} is a link in the root file system, and must be a directory to be mounted on",
                    hint="make it a directory in the image",
                )
        mounts = placed(self._mounts(points), points, self._root)
        if os.path.isfile(resolve(self._root, task.cwd)):
            raise BuildError(
                f"the command is to work in {task.cwd}, which is a file",
                hint="give it the path of a directory",
            )
        cwd = points.need(task.cwd, directory=True)
        return Process(
            argv=(program, *task.argv[1:]) if "/" in task.argv[0] else task.argv,
            program=program,
            env=tuple(sorted(env.items())),
            cwd=cwd,
            uid=user.uid,
            gid=user.gid,
            groups=user.groups,
            capabilities=task.capabilities,
            network=task.network,
            read_only=task.read_only,
            session=task.session,
            disguised=disguised,
            mounts=(*self._writable_folders(points), *mounts),
            timeout=task.timeout,
            hostname=task.hostname,
            seccomp=task.seccomp,
        )

    def _program(self, search: str) -> str:
        """Return the path in the root of what the command names; raises `ProgramMissing` or `ProgramRefused`."""
        name, cwd = self._task.argv[0], self._task.cwd
        if program := find_program(self._root, name, search, cwd):
            return program
        there = find_program(self._root, name, search, cwd, is_program=lambda _: True)
        if there is None:
            raise ProgramMissing(
                f"there is no program {name!r} in the root file system",
                hint=f"PATH is {search}; add a layer that has it to the base",
            )
        if os.path.isdir(resolve(self._root, there)):
            raise ProgramRefused(f"{there} is a directory, and no program")
        raise ProgramRefused(
            f"{there} cannot be executed: its mode has no execute bit",
            hint="make it executable where the layer is made, or name what is to read it: sh FILE",
        )

    def _writable_folders(self, points: MountPoints) -> Iterator[Mount]:
        """Yield what makes folders of a read-only root writable again; everything else may be mounted in them."""
        for path in self._task.writable:
            target = points.need(path, directory=True)
            yield Mount(target, f"{self._root}{target}", writable=True)

    def _mounts(self, points: MountPoints) -> Iterator[Asked]:
        task = self._task
        user = find_user(self._root, task.user)
        for one in (Tmpfs(one) if isinstance(one, str) else one for one in task.tmpfs):
            yield Asked(Mount(one.target, size=one.size, mode=one.mode), directory=True)
        for mount in names_of_machines(task, points, self._scratch):
            yield Asked(mount, directory=False)
        for number, staged in enumerate(task.staged):
            source = f"{self._scratch}/staged{number}"
            stage(staged, source)
            if staged.writable:
                self._writable[staged.target] = source
                _give_away(source, user)
            mount = Mount(staged.target, source, staged.writable)
            yield Asked(mount, directory=os.path.isdir(source), owned=True)
        for number, bound in enumerate(task.bound):
            if not os.path.exists(bound.source):
                raise BuildError(f"{bound.source} is not there to be mounted at {bound.target}")
            source = self._discarding(bound.source, number) if bound.discards else bound.source
            mount = Mount(bound.target, source, bound.writable or bound.discards)
            yield Asked(mount, directory=os.path.isdir(source), owned=bound.discards)
        for cache, folder in self._caches.made():
            yield Asked(Mount(cache.target, folder, not cache.readonly), directory=True, owned=True)
        for secret, source in write_secrets(
            [one for one in task.secrets if one.is_file], f"{self._scratch}/secrets", user
        ):
            yield Asked(Mount(secret.path, source), directory=False)
        for agent in give_sockets(task.agents):
            yield Asked(Mount(agent.target, agent.socket), directory=False)

    def _discarding(self, source: str, number: int) -> str:
        """Return where the same is that the command may write to, and that is gone with it."""
        name = f"bound{number}"
        if not os.path.isdir(source):
            from hermes.container.inside.duplicates import duplicate

            duplicate(source, f"{self._scratch}/{name}")
            return f"{self._scratch}/{name}"
        upper = Upper(f"{self._scratch}/{name}.upper", f"{self._scratch}/{name}.work")
        return mount_stack([Tree(name, source)], self._scratch, target=name, upper=upper)

    def _keep(self, path: str) -> KeptFile:
        """Store a file that the command made, and take it out of the layer."""
        for target, source in self._writable.items():
            if path.startswith(f"{target}/"):
                found = resolve(source, path[len(target) :])
                break
        else:
            target, source = "", self._upper.upper
            found = resolve(self._root, path)
        try:
            status = os.lstat(found)
        except (FileNotFoundError, NotADirectoryError):
            hint = "write every file in outs, or take it out of outs"
            if not self._search:  # a name could have a secret in it
                given = {f"{one.target}/{file.path}" for one in self._task.staged for file in one.files}
                made = [one for one in made_files(source, target) if one not in given]
                hint = f"it made {', '.join(like(path, made)) if made else 'no files'}; {hint}"
            raise BuildError(
                f"the command did not make {path}, which the target declares", hint=hint
            ) from None
        if not stat.S_ISREG(status.st_mode):
            raise BuildError(f"{path} in outs is not a regular file", hint="declare files, or pack a tar")
        if form := self._search.in_file(found):
            raise leaked([Leak(path, "the content", form)], self._search.masker, _LEAK_HINT)
        with self._store.blobs.writer() as blob, open(found, "rb", buffering=0) as file:
            while data := file.read(CHUNK):
                blob.write(data)
            digest = blob.commit()
        os.unlink(found)
        return KeptFile(digest, status.st_size, bool(status.st_mode & 0o100))

    def _committed(self, ended: Ended, outs: tuple[KeptFile, ...]) -> Outcome:
        commit = self._task.commit
        if commit is None:
            return Outcome(ended.status, ended.timed_out, outs=outs)
        from hermes.container.inside.committing import changes_in, publish, write_changes
        from hermes.layer.compress import codec_of

        upper = self._upper.upper
        found = changes_in(upper, self._trees, commit.mtime, self._scratch, self._owner)
        if self._search and (leaks := list(self._search.in_entries(found.entries, upper))):
            raise leaked(leaks, self._search.masker, _LEAK_HINT)
        made = write_changes(self._store, found, upper, codec_of(commit.codec))
        publish(self._store, made.diff_id, os.path.dirname(upper))
        return Outcome(ended.status, ended.timed_out, made.diff_id, made.size, made.encoding, outs)


def _bound_program(task: Task) -> str | None:
    """Return the command's program when it is in something of this machine that is mounted."""
    name = task.argv[0]
    for staged in task.staged:
        for file in staged.files:
            if file.executable and name == (f"{staged.target}/{file.path}" if file.path else staged.target):
                return name
    for bound in task.bound:
        if name == bound.target or name.startswith(f"{bound.target}/"):
            return name if os.path.isfile(bound.source + name[len(bound.target) :]) else None
    return None


def _environment(task: Task, user: User) -> dict[str, str]:
    env = {**_FIXED_ENV, "HOME": user.home, "SOURCE_DATE_EPOCH": str(task.commit.mtime if task.commit else 0)}
    env.update(task.env)
    env.pop("", None)  # of an image from elsewhere; no program can ask for it
    for one in task.secrets:
        if one.env and b"\0" in one.value:
            raise SecretError(
                f"the secret {one.id!r} has a zero byte, which no variable can hold",
                hint="mount it as a file: leave out env=",
            )
        if one.env:
            env[one.env] = os.fsdecode(one.value)
    return env


def made_files(folder: str, at: str) -> list[str]:
    """Return the paths of regular files below ``folder``, which the command saw at ``at``: some of very many."""
    found = []
    for above, _, names in os.walk(folder):
        inside = above[len(folder) :]
        paths = (f"{at}{inside}/{name}" for name in names if os.path.isfile(f"{above}/{name}"))
        found += [path for path in paths if not os.path.islink(f"{folder}{path[len(at) :]}")]
        if len(found) > _MOST_MADE:
            break
    return sorted(found)


def like(path: str, others: list[str]) -> list[str]:
    """Return a few of other paths, those that are most like ``path`` first, and how many more there are."""
    import difflib

    near = difflib.get_close_matches(path, others, _SHOWN, 0.5)
    shown = [*near, *(one for one in others if one not in near)][:_SHOWN]
    more = len(others) - len(shown)
    return [*shown, f"{more} more"] if more else shown


def stage(staged: Staged, folder: str) -> None:
    """Copy declared files to ``folder``, with modes and times that say nothing of this machine."""
    if len(staged.files) == 1 and not staged.files[0].path:
        _copy(staged.files[0], folder)
        return
    os.mkdir(folder, 0o755)
    for path in staged.folders:
        _make_folders(f"{folder}/{path}")
    for file in staged.files:
        target = f"{folder}/{file.path}"
        _make_folders(os.path.dirname(target))
        _copy(file, target)
    for at in reversed(_folders(folder)):
        os.utime(at, ns=(0, 0))


def _make_folders(path: str) -> None:
    """As `os.makedirs`, which calls itself for each of them, and so makes no more than some 900."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for one in reversed(missing):
        os.mkdir(one, 0o755)


def _folders(folder: str) -> list[str]:
    """Return a folder and all below it, each after the one that it is in."""
    found = [folder]
    for at in found:
        with os.scandir(at) as items:
            found += [one.path for one in items if one.is_dir(follow_symlinks=False)]
    return found


def _copy(file: StagedFile, target: str) -> None:
    if file.link:
        os.symlink(file.link, target)
    else:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            from hermes.layer.content import FileContent

            for data in FileContent(file.source, file.size, file.stamp).chunks():
                write_all(fd, data)
            os.fchmod(fd, 0o755 if file.executable else 0o644)
        finally:
            os.close(fd)
    os.utime(target, ns=(0, 0), follow_symlinks=False)


def _give_away(folder: str, user: User) -> None:
    """Let a command's user write where it is to write."""
    if user.uid or user.gid:
        for at in _folders(folder):
            for name in (".", *os.listdir(at)):
                os.chown(f"{at}/{name}", user.uid, user.gid, follow_symlinks=False)

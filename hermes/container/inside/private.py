"""What is mounted for one command besides its root: secrets, agents and caches. Runs in the user namespace."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from hermes.container.mount_values import CONTENT, Cache
from hermes.container.secrets.leaks import Leak, Search, leaked
from hermes.container.task import Agent, Secret
from hermes.container.users import User
from hermes.errors import SandboxError
from hermes.sandbox.idmap import has_one_id
from hermes.sandbox.syscalls import MS_NODEV, MS_NOSUID, mount
from hermes.store.blobs import write_all
from hermes.store.caches import DATA, UNSEARCHED

CACHE_HINT: Final = (
    "those files have been removed from the cache; tell the command to write its secrets nowhere"
)


def write_secrets(given: Sequence[Secret], folder: str, user: User) -> Iterator[tuple[Secret, str]]:
    """Write secrets to ``folder``, which becomes memory that is never swapped out; yield where each is."""
    if not given:
        return
    os.mkdir(folder, 0o700)
    mount(
        "secrets", folder, "ramfs", MS_NOSUID | MS_NODEV, "mode=0700"
    )  # their modes say what can be executed
    for number, one in enumerate(given):
        path = f"{folder}/{number}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, one.value)
            uid, gid = (0, 0) if has_one_id() else (user.uid, user.gid)
            uid = uid if one.uid is None else one.uid
            gid = gid if one.gid is None else one.gid
            _own(fd, uid, gid, f"the secret {one.id!r}")
            os.fchmod(fd, one.mode)
        finally:
            os.close(fd)
        os.utime(path, ns=(0, 0))
        yield one, path


def give_sockets(agents: Sequence[Agent]) -> Iterator[Agent]:
    """Yield agents, whose sockets then belong to whom they are for."""
    for one in agents:
        _own(one.socket, one.uid, one.gid, f"the socket {one.target}")
        os.chmod(one.socket, one.mode)
        yield one


class UsedCaches:
    """The caches of one command: ``folders`` maps their names to folders of the store, ``trees`` has what they begin with."""

    def __init__(
        self, caches: Sequence[Cache], folders: Mapping[str, str], search: Search, trees: str
    ) -> None:
        self._trees = trees
        self._caches = caches
        self._folders = folders
        self._search = search
        self._mark = f"{UNSEARCHED}{os.urandom(8).hex()}"
        self._since: dict[str, int] = {}

    def made(self) -> Iterator[tuple[Cache, str]]:
        """Make the folders ready to be mounted; yield where each is."""
        for one in self._caches:
            data = f"{self._folders[one.name]}/{DATA}"
            if one.seed:
                self._begin(one, data)
                yield one, data
                continue
            with contextlib.suppress(FileExistsError):
                os.mkdir(data, 0o700)
            fd = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                status = os.fstat(fd)
                if (status.st_uid, status.st_gid) != (one.uid, one.gid):
                    _own(fd, one.uid, one.gid, f"the cache {one.id!r}")
                os.fchmod(fd, one.mode)
            finally:
                os.close(fd)
            yield one, data

    def _begin(self, cache: Cache, data: str) -> None:
        """Give a new folder what the cache begins with: all of it, if several commands or a killed one began, too."""
        import tempfile

        from hermes.container.inside.duplicates import duplicate

        source = f"{self._trees}/{cache.seed}/root/{CONTENT}"
        if os.path.isdir(data):
            return
        if not os.path.isdir(source):
            raise SandboxError(
                f"the cache {cache.id!r} is to begin with a file, and must be a folder",
                hint="name a folder with source=",
            )
        with tempfile.TemporaryDirectory(dir=os.path.dirname(data)) as folder:
            duplicate(source, f"{folder}/{DATA}")
            with contextlib.suppress(OSError):  # another command was faster
                os.rename(f"{folder}/{DATA}", data)

    def watch(self) -> None:
        """Note that from now on secrets may come into the folders."""
        if self._search:
            for one in self._caches:
                mark = f"{self._folders[one.name]}/{self._mark}"
                with open(mark, "wb") as file:
                    self._since[one.name] = os.fstat(file.fileno()).st_ctime_ns

    def check(self) -> None:
        """Take what holds a secret out of the folders; raises `SecretLeaked` if there was something."""
        found: list[Leak] = []
        for one in self._caches:
            if one.name in self._since:
                folder = self._folders[one.name]
                found += self._search.take_from(f"{folder}/{DATA}", self._since[one.name], one.target)
                os.unlink(f"{folder}/{self._mark}")
        if found:
            raise leaked(found, self._search.masker, CACHE_HINT)


def _own(file: int | str, uid: int, gid: int, what: str) -> None:
    """Give a file, by a descriptor or a path, to somebody; raises `SandboxError`."""
    try:
        os.chown(file, uid, gid)
    except OSError as error:
        raise SandboxError(
            f"{what} cannot belong to {uid}:{gid}: {error.strerror}",
            hint="these ids are not among those that this user has been given (`hermes doctor`)",
        ) from error

"""What is asked of a working container, and what comes of it: plain data that crosses into the namespace.

The parts are named tuples, as in `hermes.container.stack`.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from hermes.container.mount_values import Bound, Cache, Tmpfs
from hermes.container.stack import Blob, Commit, StackEntry, Upper
from hermes.digest import Digest
from hermes.sandbox.process import HOSTNAME
from hermes.store.caches import Sharing

if TYPE_CHECKING:
    from hermes.layer.compress import Encoding
    from hermes.layer.content import Signature
    from hermes.sandbox.network import Network
    from hermes.sandbox.seccomp import Profile


class StagedFile(NamedTuple):
    """A file to be copied for a command: ``source`` on this machine, ``path`` relative to its mount.

    An empty ``path`` makes the mount this one file. ``link`` makes it a symbolic link instead. ``size`` and
    ``stamp`` are those of the source when it was hashed; a stamp of None is not compared.
    """

    path: str
    source: str = ""
    size: int = 0
    stamp: Signature | None = None
    executable: bool = False
    link: str = ""


class Staged(NamedTuple):
    """Copies of declared files, mounted at ``target`` with fixed modes and times.

    ``folders`` are relative paths that are there besides.
    """

    target: str
    files: tuple[StagedFile, ...]
    folders: tuple[str, ...] = ()
    writable: bool = False


class Agent(NamedTuple):
    """An SSH agent called ``id`` that listens at ``socket`` on this machine; the command finds it at ``target``.

    ``mode``, ``uid`` and ``gid`` are those of the socket that it finds.
    """

    id: str
    target: str
    socket: str
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Secret:
    """A file that is there only while the command runs, in memory, read-only at ``target``.

    An empty ``target`` is ``/run/secrets/ID``. Without ``uid`` and ``gid`` it belongs to the command's user. With
    ``env`` it is the value of that variable, and a file only where ``target`` says so.
    """

    id: str
    target: str = ""
    value: bytes = field(default=b"", repr=False)
    mode: int = 0o400
    uid: int | None = None
    gid: int | None = None
    env: str = ""

    @property
    def is_file(self) -> bool:
        return not self.env or bool(self.target)

    @property
    def path(self) -> str:
        return self.target or f"/run/secrets/{self.id}"


@dataclass(frozen=True, slots=True)
class Task:
    """A command to run in a stack of layers, the lowest first.

    ``env`` holds pairs on top of a fixed environment. ``user`` is as in an image's configuration. ``outs``
    are absolute paths in the root of files to keep; they become no part of the layer. ``begun`` are layers on the
    stack that the layer to be made begins with. ``timeout`` is in
    seconds. ``hosts`` are pairs of name and address that it finds in ``/etc/hosts``. ``tmpfs`` are empty
    folders, forgotten at the end; a path alone has the size and mode of any. ``writable`` are folders of a root that
    is ``read_only`` otherwise.

    With ``secrets`` the standard output and error are masked, and what the command leaves is searched.
    ``upper`` is where a working container keeps its changes, ``root`` where it is mounted, if it is.
    ``runtime`` is a name of `hermes.sandbox.choice`: it decides nothing of what comes out. ``seccomp`` is what
    the kernel refuses the command (`hermes.sandbox.seccomp`).
    """

    stack: tuple[StackEntry, ...]
    argv: tuple[str, ...]
    begun: tuple[StackEntry, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    user: str = ""
    capabilities: tuple[str, ...] = ()
    network: Network = "none"
    timeout: float | None = None
    read_only: bool = False
    session: bool = True
    tmpfs: tuple[str | Tmpfs, ...] = ()
    staged: tuple[Staged, ...] = ()
    bound: tuple[Bound, ...] = ()
    outs: tuple[str, ...] = ()
    commit: Commit | None = None
    secrets: tuple[Secret, ...] = ()
    agents: tuple[Agent, ...] = ()
    caches: tuple[Cache, ...] = ()
    writable: tuple[str, ...] = ()
    upper: Upper | None = None
    root: str = ""
    runtime: str = ""
    hostname: str = HOSTNAME
    hosts: tuple[tuple[str, str], ...] = ()
    seccomp: Profile = "build"

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        for one in document["secrets"]:
            one["value"] = base64.b64encode(one["value"]).decode()
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Task:
        fields = dict(document)
        for name in ("stack", "begun"):
            fields[name] = tuple(StackEntry(Digest(diff_id), called) for diff_id, called in document[name])
        for name in ("env", "hosts"):
            fields[name] = tuple((key, value) for key, value in document[name])
        fields["staged"] = tuple(
            Staged(target, tuple(map(_staged_file, files)), tuple(folders), writable)
            for target, files, folders, writable in document["staged"]
        )
        fields["bound"] = tuple(Bound(*one) for one in document["bound"])
        fields["commit"] = Commit(*document["commit"]) if document["commit"] else None
        fields["upper"] = Upper(*document["upper"]) if document["upper"] else None
        fields["tmpfs"] = tuple(one if isinstance(one, str) else Tmpfs(*one) for one in document["tmpfs"])
        fields["secrets"] = tuple(
            Secret(**{**one, "value": base64.b64decode(one["value"])}) for one in document["secrets"]
        )
        fields["agents"] = tuple(Agent(*one) for one in document["agents"])
        fields["caches"] = tuple(
            Cache(name, target, Sharing(sharing), *more)
            for name, target, sharing, *more in document["caches"]
        )
        for name in ("argv", "capabilities", "outs", "writable"):
            fields[name] = tuple(document[name])
        return cls(**fields)


def _staged_file(row: list[Any]) -> StagedFile:
    path, source, size, stamp, executable, link = row
    signature: Any = tuple(stamp) if stamp else None
    return StagedFile(path, source, size, signature, executable, link)


class KeptFile(NamedTuple):
    """A file that a command made, now a blob of the store."""

    digest: Digest
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and, when its status is 0, what it left.

    ``diff_id`` and ``size`` (of the tar, in bytes) are those of the layer, if one was asked for.
    """

    status: int
    timed_out: bool
    diff_id: Digest | None = None
    size: int = 0
    encoding: Encoding | None = None
    outs: tuple[KeptFile, ...] = ()

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        document["encoding"] = self.encoding and Blob.of(self.encoding)
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Outcome:
        fields = dict(document)
        fields["encoding"] = document["encoding"] and Blob.from_json(document["encoding"]).encoding
        fields["diff_id"] = Digest(document["diff_id"]) if document["diff_id"] else None
        fields["outs"] = tuple(
            KeptFile(Digest(digest), size, executable) for digest, size, executable in document["outs"]
        )
        return cls(**fields)

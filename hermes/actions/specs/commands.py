"""Actions that run commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hermes.actions.specs.spec import LEFT_OUT, UNKEYED, I, Spec, role, roles
from hermes.container.mount_values import Bound, Cache, Tmpfs
from hermes.sandbox.process import BUILD_CAPABILITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretMount:
    """A secret of the build as a file for the command; the rest is as in `hermes.container.task.Secret`."""

    id: str
    target: str = ""
    mode: int = 0o400
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMount:
    """An SSH agent of the build as a socket for the command; the rest is as in `hermes.container.task.Agent`."""

    id: str
    target: str
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Spec[I]):
    """What commands of the sandbox and of the machine have in common.

    The layer has times of ``mtime`` seconds. ``outs`` are the paths of files to keep, which are outputs of their own
    (``out0`` ...). ``mounts`` maps where files are mounted to whether it is one file; ``.`` is where the command
    works. Without ``layer`` what it changes is forgotten. ``roots`` are the layers of its root, the lowest first.
    """

    for_platform: ClassVar[bool] = True

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    layer: bool = True
    mounts: Mapping[str, bool] = field(default_factory=dict)
    mtime: int
    network: bool
    outs: tuple[str, ...] = ()
    roots: tuple[I, ...] = field(default=(), metadata=roles("root"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return (*(["layer"] if self.layer else []), *self.out_names)

    @property
    def out_names(self) -> tuple[str, ...]:
        """The names of the outputs that are files, in the order of ``outs``."""
        return tuple(f"out{number}" for number in range(len(self.outs)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Command[I]):
    """A command in a stack of layers.

    ``cwd`` and ``user`` are those of ``environment`` (of an image, `hermes.actions.environment`) where they are empty,
    and ``$NAME`` in a value of ``env`` is a variable of it, ``$$`` a dollar sign. ``own_tmp``: the command sees the
    root's ``/tmp`` and not an empty one. ``writable`` are those of ``mounts`` that it may write to. ``secret_version``
    changes when a secret's value does. ``subscriptions`` are names of hermes.yaml. ``hosts`` are pairs of name and
    address. ``bound`` are layers that are mounted read-only at their paths, of each what it has at ``content``.
    ``proxies`` are variables that cannot change what comes out.
    """

    kind: ClassVar[str] = "run"

    cwd: str = ""
    user: str = ""
    own_tmp: bool = field(default=False, metadata=LEFT_OUT)
    writable: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    caches: tuple[Cache, ...] = field(default=(), metadata=LEFT_OUT)
    tmpfs: tuple[Tmpfs, ...] = field(default=(), metadata=LEFT_OUT)
    secrets: tuple[SecretMount, ...] = field(default=(), metadata=LEFT_OUT)
    secret_version: str = field(default="", metadata=LEFT_OUT)
    agents: tuple[AgentMount, ...] = field(default=(), metadata=LEFT_OUT)
    subscriptions: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    volumes: tuple[Bound, ...] = field(default=(), metadata=LEFT_OUT)
    hosts: tuple[tuple[str, str], ...] = field(default=(), metadata=LEFT_OUT)
    capabilities: tuple[str, ...] = field(default=BUILD_CAPABILITIES, metadata=LEFT_OUT)
    proxies: Mapping[str, str] = field(default_factory=dict, metadata=UNKEYED)
    environment: I | None = field(default=None, metadata=role("environment"))
    bound: tuple[I, ...] = field(default=(), metadata=roles("bound"))
    sources: tuple[I, ...] = field(default=(), metadata=roles("src"))

    def params(self) -> dict[str, Any]:
        found = super(Run, self).params()
        if self.own_tmp:  # of a Dockerfile, whose keys have these even where they are empty
            for name in ("caches", "secrets", "tmpfs", "writable"):
                found.setdefault(name, [])
        for one in found.get("caches", ()):
            if not one["readonly"]:
                del one["readonly"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Command[I]):
    """A command of this machine that fills the stack of layers, mounted at ``$HERMES_ROOT``.

    ``tools`` maps the path of each tool to its version, or to ``sha256:HEX`` of the file.
    """

    kind: ClassVar[str] = "host"

    tools: Mapping[str, str]
    sources: tuple[I, ...] = field(default=(), metadata=roles("src"))

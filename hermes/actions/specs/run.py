"""``run``: a command in a stack of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hermes.actions.specs.command import Command
from hermes.actions.specs.spec import NONE, I, left_out, role, roles, unkeyed
from hermes.container.mount_values import AgentMount, Bound, Cache, SecretMount, Tmpfs
from hermes.sandbox.process import BUILD_CAPABILITIES


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
    own_tmp: bool = left_out(default=False)
    writable: tuple[str, ...] = left_out(default=())
    caches: tuple[Cache, ...] = left_out(default=())
    tmpfs: tuple[Tmpfs, ...] = left_out(default=())
    secrets: tuple[SecretMount, ...] = left_out(default=())
    secret_version: str = left_out(default="")
    agents: tuple[AgentMount, ...] = left_out(default=())
    subscriptions: tuple[str, ...] = left_out(default=())
    volumes: tuple[Bound, ...] = left_out(default=())
    hosts: tuple[tuple[str, str], ...] = left_out(default=())
    capabilities: tuple[str, ...] = left_out(default=BUILD_CAPABILITIES)
    proxies: Mapping[str, str] = unkeyed(default=NONE)
    environment: I | None = role("environment", default=None)
    bound: tuple[I, ...] = roles("bound", default=())
    sources: tuple[I, ...] = roles("src", default=())

    def params(self) -> dict[str, Any]:
        found = super().params()
        if self.own_tmp:  # of a Dockerfile, whose keys have these even where they are empty
            for name in ("caches", "secrets", "tmpfs", "writable"):
                found.setdefault(name, [])
        for one in found.get("caches", ()):
            if not one["readonly"]:
                del one["readonly"]
        return found

"""``run``: a command in a stack of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hermes.actions.specs.command import Command
from hermes.actions.specs.spec import NONE, I, role, roles, unkeyed
from hermes.container.mount_values import AgentMount, Bound, Cache, SecretMount, Tmpfs
from hermes.sandbox.process import BUILD_CAPABILITIES


class Run(Command[I]):
    """A command in a stack of layers.

    ``cwd`` and ``user`` are those of ``environment`` (of an image, `hermes.actions.environment`) where they are empty,
    and ``$NAME`` in a value of ``env`` is a variable of it, ``$$`` a dollar sign, unless ``literal_env``.
    ``own_tmp``: the command sees the root's ``/tmp`` and not an empty one. ``writable`` are those of ``mounts`` and
    ``bound`` that it may write to. ``secret_version`` changes when a secret's value does. ``subscriptions`` are names of hermes.yaml. ``hosts`` are pairs of name and
    address. ``bound`` are layers that are mounted at their paths, of each what it has at ``content``, and ``seeds`` are
    those that the caches at their paths begin with. What is written to a layer is forgotten.
    ``begun`` are layers on ``roots`` that the layer begins with: it has what they and the command change, as one.
    ``proxies`` are variables that cannot change what comes out. The command does not see what it runs ``after``.
    """

    kind: ClassVar[str] = "run"

    cwd: str = ""
    user: str = ""
    literal_env: bool = False
    own_tmp: bool = False
    writable: tuple[str, ...] = ()
    caches: tuple[Cache, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    secrets: tuple[SecretMount, ...] = ()
    secret_version: str = ""
    agents: tuple[AgentMount, ...] = ()
    subscriptions: tuple[str, ...] = ()
    volumes: tuple[Bound, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    capabilities: tuple[str, ...] = BUILD_CAPABILITIES
    proxies: Mapping[str, str] = unkeyed(default=NONE)
    environment: I | None = role("environment", default=None)
    bound: tuple[I, ...] = roles("bound", default=())
    seeds: tuple[I, ...] = roles("seed", default=())
    begun: tuple[I, ...] = roles("begun", default=())
    sources: tuple[I, ...] = roles("src", default=())
    after: I | None = role("after", default=None)

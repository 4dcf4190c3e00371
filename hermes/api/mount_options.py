"""``--mount``, ``--tmpfs`` and ``--volume`` of the command line, as a task has them.

The texts are those of ``docker run`` and ``buildah run``, which `hermes.container.mount_syntax` reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hermes.container.mount_syntax import (
    BIND,
    CACHE,
    SECRET,
    TMPFS,
    AgentUse,
    Bind,
    Dialect,
    Mount,
    SecretUse,
    SeededCache,
    parse,
    quoted,
)
from hermes.container.mount_values import Bound, Cache, Tmpfs
from hermes.container.task import Secret
from hermes.errors import UsageError

_DIALECT: Final = Dialect(types=(BIND, CACHE, SECRET, TMPFS))


@dataclass(frozen=True, slots=True)
class Mounts:
    """What a command sees besides its root. The values of ``secrets`` are still to come.

    ``optional`` are the ids of secrets that are not mounted unless they are given.
    """

    bound: tuple[Bound, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    caches: tuple[Cache, ...] = ()
    secrets: tuple[Secret, ...] = ()
    optional: tuple[str, ...] = ()

    def __add__(self, other: Mounts) -> Mounts:
        return Mounts(
            self.bound + other.bound,
            self.tmpfs + other.tmpfs,
            self.caches + other.caches,
            self.secrets + other.secrets,
            self.optional + other.optional,
        )

    def with_values(self, values: Mapping[str, bytes]) -> Mounts:
        """Return the mounts with the secrets' values; those that are not mounted are at ``/run/secrets/ID``.

        Raises `UsageError` when a secret that is mounted has not been given.
        """
        mounted = [one for one in self.secrets if one.id in values or one.id not in self.optional]
        named = {one.id for one in mounted}
        for name in named - values.keys():
            raise UsageError(
                f"the secret {name!r} is mounted, and was not given", hint=f"add --secret id={name},src=FILE"
            )
        more = tuple(Secret(name) for name in values if name not in named)
        return replace(self, secrets=tuple(replace(one, value=values[one.id]) for one in (*mounted, *more)))


NO_MOUNTS: Final = Mounts()


def parse_mount(text: str) -> Mounts:
    """Return what one ``--mount`` means; raises `UsageError`."""
    return _mounts(f"--mount {text}", text)


def together(parts: Sequence[Mounts]) -> Mounts:
    """Return all of several."""
    return sum(parts, NO_MOUNTS)


def parse_tmpfs(text: str) -> Mounts:
    """Return what ``PATH[:size=SIZE,mode=MODE]`` means; raises `UsageError`."""
    path, _, options = text.partition(":")
    properties = ["type=tmpfs", quoted(f"target={path}"), *([options] if options else [])]
    return _mounts(f"--tmpfs {text}", ",".join(properties))


def _mounts(option: str, text: str) -> Mounts:
    try:
        return _mounted(parse(text, _DIALECT))
    except UsageError as error:
        raise UsageError(f"{option}: {error.message}", hint=error.hint) from None


def _mounted(mount: Mount) -> Mounts:
    match mount:
        case Bind():
            return Mounts(bound=(_bound(mount),))
        case Cache():
            return Mounts(caches=(mount,))
        case Tmpfs():
            return Mounts(tmpfs=(mount,))
        case SecretUse(one, required):
            secret = Secret(one.id, one.target, mode=one.mode, uid=one.uid, gid=one.gid, env=one.env)
            return Mounts(secrets=(secret,), optional=() if required in (None, True) else (one.id,))
        case AgentUse() | SeededCache():
            raise AssertionError("the dialect has no agents")


def _bound(mount: Bind) -> Bound:
    if mount.origin:
        raise UsageError("a mount from an image is for RUN alone", hint="leave out from=, or copy the files")
    if not mount.source:
        raise UsageError("it does not say what is mounted", hint="add src=PATH")
    source = os.path.abspath(os.path.expanduser(mount.source))
    if not os.path.exists(source):
        raise UsageError(f"{source} does not exist", hint="src is a file or folder of this machine")
    return Bound(mount.target, source, mount.writable is not False)

"""What a command may see mounted: plain values that actions, tasks and all front ends share.

They are named tuples because that loads fast: a build that has nothing to run knows them too. They are in keys of
actions, where what has its default is left out: another default is another schema (`hermes.engine.key.SCHEMA`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hermes.store.caches import Sharing

CONTENT: Final = "content"
"""Where in a layer that is which a command sees mounted, or which a cache begins with."""

_CACHE_MODE: Final = 0o755


class Bound(NamedTuple):
    """A file or folder of this machine, mounted at ``target``; with ``discards`` what the command writes there is forgotten."""

    target: str
    source: str
    writable: bool = False
    discards: bool = False


class Tmpfs(NamedTuple):
    """An empty folder in memory at ``target``; ``size`` is the most it holds, in bytes (0: half of the memory)."""

    target: str
    size: int = 0
    mode: int = 0o1777


class Cache(NamedTuple):
    """A folder called ``id`` that is kept between commands, mounted at ``target``.

    ``mode``, ``uid`` and ``gid`` are those of the folder itself; with others it is another folder. ``readonly``: the command
    cannot write to it. ``seed`` is the diff_id of a layer, in hexadecimal digits: a new folder is a copy of what that has
    at ``content``, and has the mode and owner of that.
    """

    id: str
    target: str
    sharing: Sharing = Sharing.SHARED
    mode: int = _CACHE_MODE
    uid: int = 0
    gid: int = 0
    readonly: bool = False
    seed: str = ""

    @property
    def form(self) -> str:
        """Whose folder it is, or what it began with; empty where nothing is said of that."""
        if self.seed:
            return f"from-{self.seed[:32]}"
        usual = (self.uid, self.gid, self.mode) == (0, 0, _CACHE_MODE)
        return "" if usual else f"{self.uid}-{self.gid}-{self.mode:04o}"

    @property
    def name(self) -> str:
        """Id and form, which no other folder has."""
        return f"{self.id}@{self.form}" if self.form else self.id


class SecretMount(NamedTuple):
    """A secret of the build as a file for the command; the rest is as in `hermes.container.task.Secret`."""

    id: str
    target: str = ""
    mode: int = 0o400
    uid: int | None = None
    gid: int | None = None
    env: str = ""


class AgentMount(NamedTuple):
    """An SSH agent of the build as a socket for the command; the rest is as in `hermes.container.task.Agent`."""

    id: str
    target: str
    mode: int = 0o600
    uid: int = 0
    gid: int = 0

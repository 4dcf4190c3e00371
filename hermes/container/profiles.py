"""Profiles: named sets of options that open the sandbox of an image that runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from hermes.container.mount_values import Tmpfs
from hermes.sandbox import capabilities
from hermes.sandbox.process import SERVER_CAPABILITIES

RunProfile = Literal["strict", "server"]
PROFILES: Final[tuple[RunProfile, ...]] = ("strict", "server")

_VARIABLE: Final = ("/run", "/var")
"""What a server writes to, besides the volumes of its image: see file-hierarchy(7).

They begin with what the image has there, such as a folder of ``/run`` that belongs to the server's user.
"""
_TMPFS: Final = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - paths of the sandbox


def granted(profile: RunProfile, added: Sequence[str], dropped: Sequence[str]) -> tuple[str, ...]:
    """Return the full names of the capabilities of root in the container; raises `UsageError` for an unknown one."""
    base = SERVER_CAPABILITIES if profile == "server" else ()
    return capabilities.chosen(added, dropped, base)


def tmpfs_of(profile: RunProfile, more: Sequence[Tmpfs], *, writable: bool) -> tuple[str, ...]:
    """Return the folders that are empty and in memory, besides ``more``."""
    if writable:
        return ()
    own = {one.target for one in more}
    listed = _TMPFS if profile == "strict" else ("/tmp",)  # noqa: S108 - a path of the sandbox
    return tuple(one for one in listed if one not in own)


def writable_of(profile: RunProfile, config: Mapping[str, Any], *, writable: bool) -> tuple[str, ...]:
    """Return the folders of the root that can be written, the outer first; what is written is thrown away."""
    if writable or profile == "strict":
        return ()
    volumes = {os.path.normpath(path) for path in config.get("Volumes") or {} if path.startswith("/")}
    return tuple(sorted({*_VARIABLE, *volumes} - {"/"}))

"""How a command runs in a working container."""

from __future__ import annotations

from dataclasses import dataclass

from hermes.api.mount_options import NO_MOUNTS, Mounts
from hermes.errors import UsageError
from hermes.sandbox.network import NETWORKS, Network
from hermes.sandbox.process import BUILD_CAPABILITIES


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """How a command runs in a container; what is left out is as the container's configuration says.

    ``env`` holds pairs of name and value. ``capabilities`` are those of root in the container. ``terminal``:
    standard input is a terminal of the command's own. ``runtime`` is a name of `hermes.sandbox.choice`. Raises `UsageError`
    for an unknown ``network``.
    """

    env: tuple[tuple[str, str], ...] = ()
    workdir: str = ""
    user: str = ""
    hostname: str = ""
    network: Network = "none"
    mounts: Mounts = NO_MOUNTS
    capabilities: tuple[str, ...] = BUILD_CAPABILITIES
    terminal: bool = False
    runtime: str = ""

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise UsageError(f"unknown network {self.network!r}", hint=f"there are {', '.join(NETWORKS)}")

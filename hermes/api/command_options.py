"""How a command runs in a working container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hermes.api.mount_options import NO_MOUNTS, Mounts
from hermes.sandbox.process import BUILD_CAPABILITIES

if TYPE_CHECKING:
    from hermes.sandbox.network import Network


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """How a command runs in a container; what is left out is as the container's configuration says.

    ``env`` holds pairs of name and value. ``capabilities`` are those of root in the container. ``terminal``:
    standard input is a terminal of the command's own. ``runtime`` is a name of `hermes.sandbox.choice`.
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

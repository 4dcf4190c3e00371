"""The working containers that the commands of ``hermes ctr`` are about."""

from __future__ import annotations

from hermes.api.containers import Containers
from hermes.cli.lines import write_line


def opened() -> Containers:
    """Return the containers of this user's store, whose warnings go to standard error."""
    return Containers(say=write_line)

"""The working containers that the commands of ``hermes ctr`` are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes.cli.lines import write_line
from hermes.registry.settings import AS_CONFIGURED, Access

if TYPE_CHECKING:
    from hermes.api.containers import Containers


def opened(access: Access = AS_CONFIGURED) -> Containers:
    """Return the containers of this user's store, whose warnings go to standard error."""
    from hermes.api.containers import Containers

    return Containers(say=write_line, access=access)

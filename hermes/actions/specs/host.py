"""``host``: a command of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hermes.actions.specs.command import Command
from hermes.actions.specs.spec import I, roles


class Host(Command[I]):
    """A command of this machine that fills the stack of layers, mounted at ``$HERMES_ROOT``.

    ``tools`` maps the path of each tool to its version, or to ``sha256:HEX`` of the file.
    """

    kind: ClassVar[str] = "host"

    tools: Mapping[str, str]
    sources: tuple[I, ...] = roles("src", default=())

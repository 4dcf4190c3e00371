"""What commands of the sandbox and of the machine have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from hermes.actions.specs.spec import NONE, I, Spec, roles

if TYPE_CHECKING:
    from hermes.sandbox.network import Network


class Command(Spec[I]):
    """What commands of the sandbox and of the machine have in common.

    The layer has times of ``mtime`` seconds. ``outs`` are the paths of files to keep, which are outputs of their own
    (``out0`` ...). ``mounts`` maps where files are mounted to whether it is one file; ``.`` is where the command
    works. Without ``layer`` what it changes is forgotten. ``roots`` are the layers of its root, the lowest first. With
    ``host_network`` its ``network`` is the machine's and not one of its own.
    """

    for_platform: ClassVar[bool] = True

    argv: tuple[str, ...]
    env: Mapping[str, str] = NONE
    layer: bool = True
    mounts: Mapping[str, bool] = NONE
    mtime: int
    network: bool
    host_network: bool = False
    outs: tuple[str, ...] = ()
    roots: tuple[I, ...] = roles("root", default=())

    @property
    def outputs(self) -> tuple[str, ...]:
        return (*(["layer"] if self.layer else []), *self.out_names)

    @property
    def chosen_network(self) -> Network:
        if not self.network:
            return "none"
        return "host" if self.host_network else "default"

    @property
    def out_names(self) -> tuple[str, ...]:
        """The names of the outputs that are files, in the order of ``outs``."""
        return tuple(f"out{number}" for number in range(len(self.outs)))

"""Calls that try what commands need, for ``hermes doctor``."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self

from hermes.sandbox.network import Network
from hermes.sandbox.remote import Remote, RemoteCommand


class SandboxTrial(NamedTuple):
    """Run a program in the sandbox ``name``; ``where`` is what `hermes.sandbox.choice.located` returned for it."""

    name: str
    where: tuple[str, str]
    network: Network = "none"

    @classmethod
    def from_json(cls, document: list[Any]) -> Self:
        name, (path, library), network = document
        return cls(name, (path, library), network)


_INSIDE: Final = "hermes.container.inside.probe"

TRY_EMULATORS: Final = Remote(f"{_INSIDE}.emulators", str, str, "try to register emulators")
TRY_OVERLAY: Final = Remote(f"{_INSIDE}.overlay", str, str, "try an overlay")
TRY_SANDBOX: Final = RemoteCommand(f"{_INSIDE}.sandbox", SandboxTrial, str, "try a sandbox")

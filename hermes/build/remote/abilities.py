"""What a worker finds out about its machine before it takes work: whether commands run here at all, and what else they can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hermes.build.remote.station import Station
from hermes.container import probes
from hermes.errors import HermesError, SandboxError
from hermes.sandbox import choice
from hermes.sandbox.emulators import emulated

_HINT: Final = (
    "in a container: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined (podman: --security-opt unmask=ALL); see docs/remote.md"
)


def found_here(station: Station, runtime: str) -> Iterator[tuple[str, str]]:
    """Yield properties, of which one name may have several values.

    ``runtime`` is what is to run commands. Raises `SandboxError` where it cannot.
    """
    store, namespace = station.store, station.namespace
    try:
        probes.try_overlay(store, namespace)
        probes.try_sandbox(runtime, namespace)
    except SandboxError as error:
        raise SandboxError(
            f"this machine cannot execute actions: {error.message}", hint=error.hint or _HINT
        ) from error
    for name in choice.NAMES:
        if name == (runtime or choice.BWRAP) or _works(name, station):
            yield "hermes-runtime", name
    for name in emulated({}, is_registered=True):
        yield "hermes-emulates", name


def _works(name: str, station: Station) -> bool:
    try:
        probes.try_sandbox(name, station.namespace)
    except HermesError:
        return False
    return True

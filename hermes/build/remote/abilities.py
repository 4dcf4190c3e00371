"""What a worker finds out about its machine before it takes work: whether commands run here at all, and what else they can have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Final

from hermes.build.remote.station import Station
from hermes.container import probes
from hermes.errors import HermesError, SandboxError
from hermes.remote.settings import isa
from hermes.sandbox import choice
from hermes.sandbox.architectures import native
from hermes.sandbox.emulators import emulated

_HINT: Final = (
    "in a container: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined (podman: --security-opt unmask=ALL); see docs/remote.md"
)


def found_here(
    station: Station, runtime: str, architectures: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield properties, of which one name may have several values.

    ``runtime`` is what is to run commands, those for ``architectures`` too. Raises `SandboxError` where it cannot.
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
        if name == (runtime or choice.BWRAP) or _works(partial(probes.try_sandbox, name, namespace)):
            yield "hermes-runtime", name
    may_register = _works(partial(probes.try_emulators, store, namespace))
    there = emulated({}, is_registered=not may_register)
    for name in there:
        yield "hermes-emulates", name
    for name in architectures:
        if name not in (*there, *native()):
            raise SandboxError(
                f"this machine cannot execute actions for {name}: it has no emulator for them",
                hint="install Debian's package qemu-user-static; before Linux 6.7, binfmt-support as well",
            )
        yield "ISA", isa(name)


def _works(probe: Callable[[], object]) -> bool:
    try:
        probe()
    except HermesError:
        return False
    return True

"""What ``hermes doctor`` tries: the steps of a real command, one at a time."""

from __future__ import annotations

import os

from hermes.container.calls.probes import TRY_EMULATORS, TRY_OVERLAY, TRY_SANDBOX, SandboxTrial
from hermes.sandbox import choice
from hermes.sandbox.namespace import Namespace
from hermes.store import Store


def try_overlay(store: Store, namespace: Namespace) -> str:
    """Try an overlay in the store; return what works, or raise `SandboxError`."""
    return namespace.call(TRY_OVERLAY, str(store.home))


def try_emulators(store: Store, namespace: Namespace) -> str:
    """Try whether a namespace may have emulators of its own; raises `SandboxError`."""
    return namespace.call(TRY_EMULATORS, str(store.home))


def try_sandbox(name: str, namespace: Namespace) -> str:
    """Run a program in a sandbox of `hermes.sandbox.choice`; return its version and where it is.

    Raises `SandboxError` when it is not installed or does not work here.
    """
    where = choice.located(name)
    with open(os.devnull, "rb") as nothing:
        version = namespace.run(TRY_SANDBOX, SandboxTrial(name, where), (nothing.fileno(),) * 3)
    return f"{version} at {where[0]}"


def try_network(store: Store, namespace: Namespace) -> str:
    """Give a sandbox a network of its own; return what connected it, or raise `NetworkUnavailable`."""
    from hermes.sandbox.usermode import Connection, installed

    trial = SandboxTrial(choice.BWRAP, choice.located(choice.BWRAP), "default")
    with (
        open(os.devnull, "rb") as nothing,
        store.scratch.directory() as folder,
        Connection(installed(), str(folder)) as connect,
    ):
        namespace.run(TRY_SANDBOX, trial, (nothing.fileno(),) * 3, connect)
        return f"commands have one of their own, connected by {connect.name}"

"""What ``hermes doctor`` tries: the steps of a real command, one at a time."""

from __future__ import annotations

from hermes.container.calls.probes import TRY_OVERLAY, TRY_SANDBOX, SandboxTrial
from hermes.sandbox import choice
from hermes.sandbox.namespace import Namespace
from hermes.store import Store


def try_overlay(store: Store, namespace: Namespace) -> str:
    """Try an overlay in the store; return what works, or raise `SandboxError`."""
    return namespace.call(TRY_OVERLAY, str(store.home))


def try_sandbox(name: str, namespace: Namespace) -> str:
    """Run a program in a sandbox of `hermes.sandbox.choice`; return its version and where it is.

    Raises `SandboxError` when it is not installed or does not work here.
    """
    where = choice.located(name)
    version = namespace.call(TRY_SANDBOX, SandboxTrial(name, where))
    return f"{version} at {where[0]}"

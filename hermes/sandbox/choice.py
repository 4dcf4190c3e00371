"""Which sandbox runs commands: bubblewrap, unless an OCI runtime is asked for."""

from __future__ import annotations

from typing import Final

from hermes.errors import UsageError
from hermes.sandbox import bubblewrap, runtime
from hermes.sandbox.process import Sandbox

BWRAP: Final = "bwrap"
NAMES: Final = (BWRAP, *runtime.RUNTIMES)


def check_name(name: str) -> None:
    """Raises `UsageError` when a name is none of `NAMES` or empty."""
    if name and name not in NAMES:
        import difflib

        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMES)}"
        raise UsageError(f"{name!r} is not a runtime", hint=hint)


def located(name: str) -> tuple[str, str]:
    """Return where a sandbox (empty: the default) is installed, as `sandbox` takes it.

    Raises `SandboxError` when it is not installed.
    """
    check_name(name)
    if name in ("", BWRAP):
        return bubblewrap.find()
    return runtime.find(name), ""


def sandbox(name: str, where: tuple[str, str]) -> Sandbox:
    """Return the sandbox of a name. ``where`` is what `located` returned outside of the namespace."""
    if name in ("", BWRAP):
        return bubblewrap.Bubblewrap(where)
    return runtime.OciRuntime(name, where[0])

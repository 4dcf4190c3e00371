"""Which sandbox runs commands: bubblewrap, unless an OCI runtime is asked for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from hermes.errors import UsageError

if TYPE_CHECKING:
    from hermes.sandbox.process import Sandbox

BWRAP: Final = "bwrap"
RUNTIMES: Final = ("crun", "runc")
NAMES: Final = (BWRAP, *RUNTIMES)


def check_name(name: str) -> None:
    """Raises `UsageError` for a name that is not in `NAMES` and not empty."""
    if name and name not in NAMES:
        import difflib

        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMES)}"
        raise UsageError(f"{name!r} is not a runtime", hint=hint)


def of_isolation(name: str | None) -> str:
    """Return the runtime for what buildah calls isolation: ``chroot`` needs none, others an OCI runtime.

    Raises `UsageError` when that is asked for and none is installed.
    """
    if name is None:
        return ""
    if name == "chroot":
        return BWRAP
    for one in RUNTIMES:
        if shutil.which(one):
            return one
    raise UsageError(
        f"--isolation {name} needs an OCI runtime",
        hint=f"install one of {', '.join(RUNTIMES)}, or leave it out",
    )


def located(name: str) -> tuple[str, str]:
    """Return where a sandbox (empty: the default) is installed, as `sandbox` takes it.

    Raises `SandboxError` when it is not installed.
    """
    check_name(name)
    if name in ("", BWRAP):
        from hermes.sandbox.bubblewrap import find

        return find()
    from hermes.sandbox import runtime

    return runtime.find(name), ""


def sandbox(name: str, where: tuple[str, str]) -> Sandbox:
    """Return the sandbox of a name. ``where`` is what `located` returned outside of the namespace."""
    if name in ("", BWRAP):
        from hermes.sandbox.bubblewrap import Bubblewrap

        return Bubblewrap(where)
    from hermes.sandbox.runtime import OciRuntime

    return OciRuntime(name, where[0])

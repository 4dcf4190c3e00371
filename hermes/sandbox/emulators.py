"""Programs of other architectures: qemu in user mode, registered in the user namespace of a build alone.

The kernel opens the emulator when it is registered (flag F), so no root needs to have it, and forgets it with the last mount
of the namespace's handlers. Nothing of the machine is changed, and no right on it is needed; Linux has this since 6.7. Handlers
that the machine has are used where they take a program.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Final

from hermes.errors import ProgramRefused, SandboxError
from hermes.sandbox.architectures import ARCHITECTURES, Architecture, architecture_of, is_foreign, native
from hermes.sandbox.binfmt import HANDLERS, Handler, handlers, is_handled
from hermes.sandbox.executables import beginning_of, foreign, is_static, needed_by
from hermes.sandbox.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount

_FLAGS: Final = "POCF"
"""Keep argv[0], open the program for the emulator, with the rights of the program, and open the emulator now."""
_HINT: Final = (
    "name one in hermes.yaml (emulators: {%s: /path/of/qemu}), or install Debian's package qemu-user-static"
)
_NO_HANDLERS: Final = (errno.EPERM, errno.EACCES, errno.ENODEV, errno.EINVAL)


def emulator_of(architecture: Architecture, chosen: Mapping[str, str]) -> str | None:
    """Return the path of the static emulator for an architecture: what ``chosen`` says, or the one that is installed.

    None where none is installed. Raises `ProgramRefused` where what is chosen cannot be used, and where none but one that needs
    a loader is installed.
    """
    if at := chosen.get(architecture.name):
        _check(architecture, at)
        return at
    dynamic = None
    for name in (f"qemu-{architecture.qemu}-static", f"qemu-{architecture.qemu}"):
        if architecture.qemu and (at := shutil.which(name)):
            if is_static(at):
                return at
            dynamic = at
    if dynamic:
        _check(architecture, dynamic)
    return None


def _check(architecture: Architecture, at: str) -> None:
    """Raises `ProgramRefused` when a file cannot be an emulator on this machine."""
    what = f"the emulator {at} for {architecture.name}"
    hint = _HINT % architecture.name
    if not os.access(at, os.X_OK):
        why = "cannot be executed" if os.path.exists(at) else "is not there"
        raise ProgramRefused(f"{what} {why}", hint=hint)
    found = architecture_of(beginning_of(at))
    if found is None:
        raise ProgramRefused(f"{what} is not a program", hint=hint)
    if is_foreign(found):
        raise ProgramRefused(
            f"{what} is for {found.name} itself, and this machine is {native()[0]}", hint=hint
        )
    if not is_static(at):
        raise ProgramRefused(
            f"{what} is linked dynamically, and its loader is not in the root of a command", hint=hint
        )


def emulate(
    program: str, file: str, find: Callable[[str], str | None], folder: str, chosen: Mapping[str, str]
) -> bool:
    """See to it that a program of another architecture can be started, if that is what ``file`` is.

    Tell whether that took handlers of this namespace's own, which are in ``folder`` then.

    ``find`` returns where a path of the root is on this machine. ``folder`` is where handlers can be mounted, in this
    process's mount namespace; they last as long as that. Raises `ProgramRefused` where there is no emulator, or no way to
    register it.
    """
    architecture = needed_by(file, find)
    if architecture is None or not is_foreign(architecture) or is_handled(architecture):
        return False
    if emulator_of(architecture, chosen) is None:
        found = foreign(program, architecture)
        raise ProgramRefused(found.reason, hint=found.hint)
    try:
        mount_handlers(folder)
    except SandboxError as error:
        reason = foreign(program, architecture).reason
        raise ProgramRefused(f"{reason}, and {error.message}", hint=error.hint) from error
    if not is_handled(architecture, folder):
        for one in handlers():  # those of the machine do not count any more
            _register(folder, one)
        for each in ARCHITECTURES:
            if is_foreign(each) and (at := _usable(each, chosen)):
                _register(folder, Handler(f"qemu-{each.qemu}", at, _FLAGS, 0, each.header, each.mask))
    return True


def _usable(architecture: Architecture, chosen: Mapping[str, str]) -> str | None:
    try:
        return emulator_of(architecture, chosen)
    except ProgramRefused:
        return None


def mount_handlers(folder: str) -> None:
    """Make a folder with the handlers of this user namespace; raises `SandboxError` where it may have none."""
    try:
        os.mkdir(folder)
        mount("hermes", folder, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError as error:
        if error.errno not in _NO_HANDLERS:
            raise
        raise SandboxError(
            f"this kernel ({os.uname().release}) lets no user namespace have emulators of its own",
            hint="use Linux 6.7 or later with binfmt_misc, or have root register emulators for the machine: install Debian's "
            "packages qemu-user-static and binfmt-support",
        ) from error


def _register(folder: str, handler: Handler) -> None:
    """Register a handler, unless another command of this namespace has done so, or the kernel refuses it."""
    try:
        fd = os.open(f"{folder}/register", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(fd, handler.registration)
    except OSError:
        pass
    finally:
        os.close(fd)


def emulated(
    chosen: Mapping[str, str], folder: str = HANDLERS, *, is_registered: bool = False
) -> dict[str, str]:
    """Return the architectures that an emulator is there for: name -> its path, or that of the machine's handler.

    With ``is_registered`` those alone that the machine has handlers for.
    """
    found = {}
    for one in ARCHITECTURES:
        if is_foreign(one):
            by = next((each.interpreter for each in handlers(folder) if each.takes(one.header)), None)
            if at := by or (None if is_registered else _usable(one, chosen)):
                found[one.name] = at
    return found

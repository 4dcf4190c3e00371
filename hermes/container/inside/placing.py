"""Where the mounts of a command go: into its root, or into a mount around them. Runs in the user namespace.

What is around comes first, whatever the order in which mounts were asked for, as with runc. A mount point that is
missing is made where nobody but the command sees it; see `hermes.container.inside.rootpath.MountPoints` for the root.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from hermes.container.inside.rootpath import MountPoints, resolve
from hermes.errors import SandboxError
from hermes.sandbox.process import Mount

_OWN: Final = ("/proc", "/dev")


class Asked(NamedTuple):
    """A mount whose target nobody has looked at yet. ``owned``: mount points may be made in its source."""

    mount: Mount
    directory: bool
    owned: bool = False


def placed(asked: Iterable[Asked], points: MountPoints, root: str) -> tuple[Mount, ...]:
    """Return mounts with targets that are there, in the order to mount them; raises `SandboxError`."""
    found: list[Asked] = []
    for one in sorted(asked, key=lambda one: one.mount.target.rstrip("/").count("/")):
        path = one.mount.target
        if not path.startswith("/") or ".." in path.split("/"):
            raise SandboxError(f"{path!r} cannot be a mount point", hint="give an absolute path without ..")
        resolved = resolve(root, path)[len(root) :] or "/"
        outer, rest = _around(found, resolved)
        target = points.need(path, directory=one.directory) if outer is None else _inside(outer, rest, one)
        found.append(one._replace(mount=replace(one.mount, target=target)))
    mounts = tuple(one.mount for one in found)
    _check(mounts)
    return mounts


def _around(found: Sequence[Asked], path: str) -> tuple[Asked | None, str]:
    """Return the innermost mount around a path of the root, and where the path is in it."""
    best: Asked | None = None
    for one in found:
        target = one.mount.target
        if path.startswith(f"{target}/") and (best is None or len(target) >= len(best.mount.target)):
            best = one
    return best, path[len(best.mount.target) :] if best else ""


def _inside(outer: Asked, rest: str, one: Asked) -> str:
    """Return where a mount goes that is in another one, and make its mount point."""
    around = outer.mount
    if around.is_tmpfs:  # the sandbox makes it, in what is empty
        return around.target + rest
    if outer.owned and outer.directory:
        try:
            return around.target + MountPoints(around.source).need(rest, directory=one.directory)
        except SandboxError as error:
            raise SandboxError(f"{around.target}{error.message}", hint=error.hint) from None
    there = resolve(around.source, rest)
    try:
        fits = stat.S_ISDIR(os.lstat(there).st_mode) == one.directory
    except (FileNotFoundError, NotADirectoryError):
        fits = False
    if not fits:
        kind = "folder" if one.directory else "file"
        raise SandboxError(
            f"{around.target}{rest}: there is no such {kind} in what is mounted at {around.target}, to mount something on",
            hint=f"add the {kind} there, or mount at another path",
        )
    return around.target + there[len(around.source) :]


def _check(mounts: Sequence[Mount]) -> None:
    """Raise `SandboxError` where one mount hides another or what the sandbox itself mounts."""
    taken: set[str] = set()
    for one in mounts:
        if one.target == "/":
            raise SandboxError("nothing can be mounted over the root itself")
        if any(one.target == own or one.target.startswith(f"{own}/") for own in _OWN):
            raise SandboxError(f"{one.target}: nothing can be mounted there; it belongs to the sandbox")
        if one.target in taken:
            raise SandboxError(
                f"{one.target}: two mounts are at this path", hint="give each a path of its own"
            )
        if hidden := next((other for other in taken if other.startswith(f"{one.target}/")), None):
            raise SandboxError(
                f"{one.target}: a mount there would hide that at {hidden}",
                hint="name it without links",
            )
        taken.add(one.target)

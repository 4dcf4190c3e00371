"""Reading a lock, whatever its format: requirements.txt with hashes, uv.lock, pylock.toml."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from hermes.errors import LockError
from hermes.python import pylock, requirements, uv_lock
from hermes.python.pins import Pin
from hermes.python.target import PythonTarget

_PYLOCK: Final = re.compile(r"pylock(\.[^.]+)?\.toml\Z")

Read = Callable[[str], bytes]
"""Returns what a file of the workspace holds."""


class Wanted(NamedTuple):
    """The part of a lock that is wanted; ``sources`` are the names of packages that may be built from source."""

    project: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def normalized(self) -> Wanted:
        from packaging.utils import canonicalize_name

        def names(given: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(dict.fromkeys(map(canonicalize_name, given)))

        project = canonicalize_name(self.project) if self.project else ""
        return Wanted(project, names(self.extras), names(self.groups), names(self.sources))


def pins_of(path: str, read: Read, target: PythonTarget, wanted: Wanted) -> list[Pin]:
    """Return what the lock at ``path`` of the workspace has for a target, by name; raises `LockError`."""
    chosen = wanted.normalized()
    name = posixpath.basename(path)
    if not name.endswith((".lock", ".toml")):
        if chosen.extras or chosen.groups or chosen.project:
            raise LockError(
                f"{path} has no extras, groups and projects: it is a list of what is installed",
                hint="lock what you want into it, or use a uv.lock or pylock.toml",
            )
        return _sorted(requirements.pins_of(path, read, target, chosen.sources))
    document = _toml(path, read(path))
    if _PYLOCK.match(name) or "lock-version" in document:
        return _sorted(pylock.pins_of(path, document, target, chosen.extras, chosen.groups, chosen.sources))
    if name.endswith(".toml"):
        raise LockError(
            f"{path} is not a lock", hint="name a requirements.txt with hashes, a uv.lock, or a pylock.toml"
        )
    selection = uv_lock.Selection(chosen.project, chosen.extras, chosen.groups)
    return _sorted(uv_lock.pins_of(path, document, target, selection, chosen.sources))


def _sorted(pins: list[Pin]) -> list[Pin]:
    return sorted(pins, key=lambda one: one.name)


def _toml(path: str, data: bytes) -> Mapping[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise LockError(f"{path} is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LockError(f"{path} is not TOML: {error}") from None

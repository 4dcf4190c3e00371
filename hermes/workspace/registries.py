"""The ``registries`` of a ``hermes.yaml``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hermes.errors import UsageError, WorkspaceError
from hermes.registry.settings import Registries, RegistrySettings

_FLAGS: Final = ("insecure", "blocked", "keep_nondistributable")
_PATHS: Final = ("ca", "cert", "key")
_KNOWN: Final = (*_FLAGS, *_PATHS, "mirrors")


def registries_of(path: Path, document: Any) -> Registries:
    """Return what is said of registries in the file at ``path``; raises `WorkspaceError`."""
    if not isinstance(document, dict):
        raise WorkspaceError(f"{path}: registries must map HOST[/PREFIX] to settings")
    return Registries(
        tuple((_prefix(path, str(name)), _settings(path, str(name), row)) for name, row in document.items())
    )


def _settings(path: Path, name: str, row: Any) -> RegistrySettings:
    where = f"{path}: registries.{name}"
    if not isinstance(row, Mapping):
        raise WorkspaceError(f"{where} must be a mapping", hint=f"known are {', '.join(_KNOWN)}")
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key not in _KNOWN:
            near = difflib.get_close_matches(str(key), _KNOWN, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_KNOWN)}"
            raise WorkspaceError(f"{where}.{key} is not a setting", hint=hint)
        if key in _FLAGS:
            if not isinstance(value, bool):
                raise WorkspaceError(f"{where}.{key} must be true or false")
            found[key] = value
        elif key in _PATHS:
            found[key] = _file(path, f"{where}.{key}", value)
        else:
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise WorkspaceError(f"{where}.mirrors must be a list of HOST[/PREFIX]")
            found[key] = tuple(_prefix(path, one) for one in value)
    if found.get("key") and not found.get("cert"):
        raise WorkspaceError(f"{where} has a key without a cert")
    return RegistrySettings(**found)


def _file(path: Path, where: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise WorkspaceError(f"{where} must be a path")
    file = os.path.join(path.parent, os.path.expanduser(value))
    if not os.path.isfile(file):
        raise WorkspaceError(f"{where}: there is no file {file}")
    return file


def _prefix(path: Path, text: str) -> str:
    from hermes.image.reference import Reference

    host, _, rest = text.partition("/")
    rest = rest or "x"
    try:
        found = Reference.parse(f"{host}/{rest}")
    except UsageError:
        found = None
    if found is None or found.host != host or found.tag != "latest" or ":" in rest or text.endswith("/"):
        raise WorkspaceError(
            f"{path}: registries: expected HOST[/PREFIX], got {text!r}",
            hint="as registry.example.org:5000/team",
        )
    return text

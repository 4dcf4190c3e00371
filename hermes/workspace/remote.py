"""What ``hermes.yaml`` says of remote services: the mapping ``remote``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hermes.errors import UsageError, WorkspaceError
from hermes.image.platform import Platform
from hermes.remote.address import Tls
from hermes.remote.settings import DOWNLOADS, JOBS, TIMEOUT, USUAL_PLATFORM, RemoteSettings, header_of

_KNOWN: Final = {
    "architectures",
    "cache",
    "credential_helper",
    "download",
    "executor",
    "header_env",
    "instance",
    "jobs",
    "local_fallback",
    "platform",
    "queue_timeout",
    "timeout",
    "tls",
    "upload",
    "verify",
}
_KNOWN_TLS: Final = {"ca", "cert", "key"}


def remote_of(path: Path, document: Any) -> RemoteSettings:
    """Return the settings in the mapping ``remote`` of the file ``path``; raises `WorkspaceError`.

    Values of headers are in variables of the environment, which the file names.
    """
    found = _mapping(path, "remote", document, _KNOWN)
    tls = _mapping(path, "remote.tls", found.get("tls") or {}, _KNOWN_TLS)
    files = {name: path.parent / _text(path, f"remote.tls.{name}", value) for name, value in tls.items()}
    platform = found.get("platform")
    settings = RemoteSettings(
        executor=_text(path, "remote.executor", found.get("executor", "")),
        instance=_text(path, "remote.instance", found.get("instance", "")),
        headers=tuple(_headers(path, found.get("header_env") or {})),
        tls=Tls(**files),
        jobs=_number(path, "remote.jobs", found.get("jobs", JOBS)),
        timeout=_number(path, "remote.timeout", found.get("timeout", TIMEOUT)),
        queue_timeout=_number(path, "remote.queue_timeout", found.get("queue_timeout", 0), least=0),
        local_fallback=_flag(path, "remote.local_fallback", found.get("local_fallback", True)),
        platform=USUAL_PLATFORM if platform is None else _texts(path, "remote.platform", platform),
        cache=_text(path, "remote.cache", found.get("cache", "")),
        upload=_flag(path, "remote.upload", found.get("upload", True)),
        download=_one_of(path, "remote.download", found.get("download", ""), ("", *DOWNLOADS)),
        credential_helper=_program(path, found.get("credential_helper", "")),
        verify=_percent(path, found.get("verify", 0)),
        architectures=_architectures(path, found.get("architectures", [])),
    )
    for name, check in (("executor", settings.address), ("cache", settings.cache_address)):
        try:
            if getattr(settings, name):
                check()
        except UsageError as error:
            raise WorkspaceError(f"{path}: remote.{name}: {error.message}", hint=error.hint) from None
    return settings


def _architectures(path: Path, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise WorkspaceError(f"{path}: remote.architectures must be a list of texts, such as [arm64]")
    try:
        return tuple(Platform.parse(f"linux/{one}").architecture for one in value)
    except UsageError as error:
        raise WorkspaceError(f"{path}: remote.architectures: {error.message}", hint=error.hint) from None


def _headers(path: Path, document: Any) -> list[tuple[str, str]]:
    found = []
    for name, variable in _texts(path, "remote.header_env", document).items():
        if value := os.environ.get(variable):
            try:
                found.append(header_of(f"{name}={value}"))
            except UsageError:
                raise WorkspaceError(
                    f"{path}: remote.header_env.{name}: the value of {variable} cannot be a header"
                ) from None
    return found


def _mapping(path: Path, name: str, value: Any, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise WorkspaceError(f"{path}: {name} must be a mapping")
    for one in value:
        if one not in known:
            raise WorkspaceError(
                f"{path}: {name}.{one} is not a setting", hint=f"known are {', '.join(sorted(known))}"
            )
    return value


def _texts(path: Path, name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in (*value, *value.values())):
        raise WorkspaceError(f"{path}: {name} must map texts to texts")
    return value


def _text(path: Path, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise WorkspaceError(f"{path}: {name} must be a text, not {value!r}")
    return value


def _one_of(path: Path, name: str, value: Any, known: Sequence[str]) -> str:
    if value not in known:
        shown = ", ".join(filter(None, known))
        raise WorkspaceError(f"{path}: {name} must be one of {shown}, not {value!r}")
    return str(value)


def _program(path: Path, value: Any) -> str:
    """Return a program: one with a slash in its name is below the workspace, unless its path is absolute."""
    text = _text(path, "remote.credential_helper", value)
    return str(path.parent / text) if "/" in text else text


def _percent(path: Path, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
        raise WorkspaceError(f"{path}: remote.verify must be a number from 0 to 100, not {value!r}")
    return value


def _number(path: Path, name: str, value: Any, *, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 1 << 16:
        raise WorkspaceError(f"{path}: {name} must be a number from {least} on, not {value!r}")
    return value


def _flag(path: Path, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise WorkspaceError(f"{path}: {name} must be true or false, not {value!r}")
    return value

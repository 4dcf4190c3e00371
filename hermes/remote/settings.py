"""What a build is told of remote services, by its options and hermes.yaml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from hermes.errors import UsageError
from hermes.remote.address import Address, Tls

USUAL_PLATFORM: Final[Mapping[str, str]] = MappingProxyType(
    {"OSFamily": "linux", "hermes": "1", "hermes-ids": "range"}
)
"""The properties of workers that can execute every action that is sent."""
MINIMAL: Final = "minimal"
TOPLEVEL: Final = "toplevel"
ALL: Final = "all"
DOWNLOADS: Final = (MINIMAL, TOPLEVEL, ALL)
"""What is fetched of the outputs of actions: what something reads, what the targets of a build give as well, or everything."""
_ISAS: Final = {
    "386": "x86-32",
    "amd64": "x86-64",
    "arm": "arm-a32",
    "arm64": "arm-a64",
    "ppc64": "power-isa-be",
    "ppc64le": "power-isa-le",
    "riscv64": "rv64g",
}
JOBS: Final = 32
"""Fewer than the calls that a service answers at once, as each action is a call that lasts; BuildGrid's workers need some, too."""
TIMEOUT: Final = 60
_HEADER: Final = re.compile(r"[A-Za-z0-9_.-]+")


def isa(architecture: str) -> str:
    """Return an instruction set, which images call ``architecture``, as the API's lexicon of platform properties writes it."""
    return _ISAS.get(architecture, architecture)


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """``executor`` and ``cache`` are addresses, empty for none. Of ``headers`` the values are secrets.

    ``jobs`` actions are sent at once, and after ``timeout`` seconds without an answer the service counts as unavailable. An action that
    no worker takes within ``queue_timeout`` seconds is not waited for any longer; 0 waits without end.
    With ``local_fallback`` actions are then executed here. ``platform`` are the properties that workers must have, and ``architectures`` those besides
    this machine's whose commands they execute. Results are
    sent to the cache if ``upload`` says so. ``download`` is one of `DOWNLOADS`; empty, it is `TOPLEVEL` for a build whose outputs are
    linked, and `MINIMAL` for one from whose outputs a command takes what it needs. ``credential_helper`` is a program's path or name
    (`hermes.remote.credentials`), and ``verify`` how many results of a hundred are made here again.
    """

    executor: str = ""
    instance: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: Tls = field(default=Tls())
    jobs: int = JOBS
    timeout: int = TIMEOUT
    queue_timeout: int = 0
    local_fallback: bool = True
    platform: Mapping[str, str] = field(default_factory=lambda: USUAL_PLATFORM)
    cache: str = ""
    upload: bool = True
    download: str = ""
    credential_helper: str = ""
    verify: int = 0
    architectures: tuple[str, ...] = ()

    def address(self) -> Address:
        """Return where the executor is; raises `UsageError`."""
        return self._at(self.executor)

    def cache_address(self) -> Address:
        """Return where the cache is; raises `UsageError`."""
        return self._at(self.cache)

    @property
    def has_platform(self) -> bool:
        """Tell whether other properties than the usual ones are asked of workers."""
        return self.platform is not USUAL_PLATFORM

    def as_choice(self) -> RemoteChoice:
        """Return all of this but ``platform`` as a choice, which says the same over any other settings."""
        values = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name not in ("architectures", "headers", "platform", "tls")
        }
        headers = tuple(f"{name}={value}" for name, value in self.headers)
        tls = self.tls
        return RemoteChoice(headers=headers, tls_ca=tls.ca, tls_cert=tls.cert, tls_key=tls.key, **values)

    def _at(self, text: str) -> Address:
        found = Address.parse(text, self.instance, self.headers, self.tls)
        return replace(found, helper=self.credential_helper)


@dataclass(frozen=True, slots=True)
class RemoteChoice:
    """What the options of a command say; None and nothing where they leave it to hermes.yaml."""

    executor: str | None = None
    instance: str | None = None
    headers: tuple[str, ...] = field(default=(), repr=False)
    jobs: int | None = None
    timeout: int | None = None
    queue_timeout: int | None = None
    local_fallback: bool | None = None
    cache: str | None = None
    upload: bool | None = None
    download: str | None = None
    credential_helper: str | None = None
    verify: int | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def over(self, settings: RemoteSettings) -> RemoteSettings:
        """Return the settings with this instead where it says something; raises `UsageError`."""
        names = (
            *("executor", "instance", "jobs", "timeout", "local_fallback", "cache", "upload", "download"),
            *("credential_helper", "queue_timeout", "verify"),
        )
        said: dict[str, Any] = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.headers:
            said["headers"] = (*settings.headers, *map(header_of, self.headers))
        tls = Tls(
            self.tls_ca or settings.tls.ca,
            self.tls_cert or settings.tls.cert,
            self.tls_key or settings.tls.key,
        )
        found = replace(settings, tls=tls, **said)
        if found.executor:
            found.address()
        if found.cache:
            found.cache_address()
        return found


def chosen_settings(settings: RemoteSettings | None, choice: RemoteChoice | None) -> RemoteSettings | None:
    """Return the settings with a choice over them, or that of the environment; None where no service is named.

    Raises `UsageError`.
    """
    choice = choice or _of_environment()
    if settings is None and choice is None:
        return None
    found = settings or RemoteSettings()
    if choice is not None:
        found = choice.over(found)
    return found if found.executor or found.cache else None


def _of_environment() -> RemoteChoice | None:
    """Return what the environment says of services, for commands that have no options of them."""
    known = os.environ.get
    executor, cache = known("HERMES_REMOTE_EXECUTOR"), known("HERMES_REMOTE_CACHE")
    if not (executor or cache):
        return None
    ca, cert, key = (
        Path(path) if (path := known(f"HERMES_REMOTE_TLS_{name}")) else None for name in ("CA", "CERT", "KEY")
    )
    return RemoteChoice(
        executor,
        known("HERMES_REMOTE_INSTANCE"),
        tuple((known("HERMES_REMOTE_HEADER") or "").splitlines()),
        cache=cache,
        credential_helper=known("HERMES_REMOTE_CREDENTIAL_HELPER"),
        tls_ca=ca,
        tls_cert=cert,
        tls_key=key,
    )


def header_of(text: str) -> tuple[str, str]:
    """Return the name and value of ``NAME=VALUE``; raises `UsageError`."""
    name, equals, value = text.partition("=")
    if not equals or not _HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
        shown = f"{name}=..." if equals else "a text without ="
        raise UsageError(f"--remote-header: expected NAME=VALUE in printable ASCII, got {shown}")
    return name.lower(), value

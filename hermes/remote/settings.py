"""What a build is told of remote services, by its options and hermes.yaml."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from hermes.errors import UsageError
from hermes.remote.address import Address, Tls

USUAL_PLATFORM: Final[Mapping[str, str]] = MappingProxyType(
    {"OSFamily": "linux", "hermes": "1", "hermes-ids": "range"}
)
"""The properties of workers that can execute every action that is sent."""
_ISAS: Final = {"x86_64": "x86-64"}
JOBS: Final = 32
"""Fewer than the calls that a service answers at once, as each action is a call that lasts; BuildGrid's workers need some, too."""
TIMEOUT: Final = 60
_HEADER: Final = re.compile(r"[A-Za-z0-9_.-]+")


def isa() -> str:
    """Return the instruction set of this machine as the API's lexicon of platform properties writes it."""
    machine = os.uname().machine
    return _ISAS.get(machine, machine)


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """``executor`` and ``cache`` are addresses, empty for none. Of ``headers`` the values are secrets.

    ``jobs`` actions are sent at once, and after ``timeout`` seconds without an answer the service counts as unavailable.
    With ``local_fallback`` actions are then executed here. ``platform`` are the properties that workers must have. Results are sent to the cache if
    ``upload`` says so.
    """

    executor: str = ""
    instance: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: Tls = field(default=Tls())
    jobs: int = JOBS
    timeout: int = TIMEOUT
    local_fallback: bool = True
    platform: Mapping[str, str] = field(default_factory=lambda: USUAL_PLATFORM)
    cache: str = ""
    upload: bool = True

    def address(self) -> Address:
        """Return where the executor is; raises `UsageError`."""
        return Address.parse(self.executor, self.instance, self.headers, self.tls)

    def cache_address(self) -> Address:
        """Return where the cache is; raises `UsageError`."""
        return Address.parse(self.cache, self.instance, self.headers, self.tls)


@dataclass(frozen=True, slots=True)
class RemoteChoice:
    """What the options of a command say; None and nothing where they leave it to hermes.yaml."""

    executor: str | None = None
    instance: str | None = None
    headers: tuple[str, ...] = field(default=(), repr=False)
    jobs: int | None = None
    timeout: int | None = None
    local_fallback: bool | None = None
    cache: str | None = None
    upload: bool | None = None

    def over(self, settings: RemoteSettings) -> RemoteSettings:
        """Return the settings with this instead where it says something; raises `UsageError`."""
        names = ("executor", "instance", "jobs", "timeout", "local_fallback", "cache", "upload")
        said = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.headers:
            said["headers"] = (*settings.headers, *map(header_of, self.headers))
        found = replace(settings, **said)
        if found.executor:
            found.address()
        if found.cache:
            found.cache_address()
        return found


def header_of(text: str) -> tuple[str, str]:
    """Return the name and value of ``NAME=VALUE``; raises `UsageError`."""
    name, equals, value = text.partition("=")
    if not equals or not _HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
        shown = f"{name}=..." if equals else "a text without ="
        raise UsageError(f"--remote-header: expected NAME=VALUE in printable ASCII, got {shown}")
    return name.lower(), value

"""Lock files for Debian packages.

A lock is YAML: ``version`` 1, the ``architectures`` (Debian's names) it is for, what was ``asked`` for (a mapping of
the fields of `LockRequest` that matter, lists sorted, so that a build notices a stale lock), and ``packages`` sorted
by name and architecture. A package has ``name``, ``version``, ``architecture``, ``path`` relative to the mirror,
``size`` in bytes and ``sha256``; one of architecture ``all`` that not every architecture of the lock needs
says ``for`` which it is. No address of a mirror is in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hermes.debian.apt_source import AptSource
from hermes.debian.archive import read_packages, read_release, suites_of
from hermes.debian.packages import Package
from hermes.debian.resolve import resolve
from hermes.debian.universe import Universe
from hermes.download import shown
from hermes.errors import LockError

VERSION: Final = 1

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+._/~:-]*\Z")
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class LockRequest:
    """What to resolve: see `hermes.debian.resolve.resolve`. ``label`` is the target that asks.

    ``sources`` (as lines of sources.list) and ``suites`` are what it says of where from; the addresses get into no lock.
    """

    packages: tuple[str, ...]
    architectures: tuple[str, ...]
    recommends: bool
    essential: bool
    exclude: tuple[str, ...]
    label: str
    sources: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()

    @property
    def asked(self) -> dict[str, Any]:
        """What decides which packages are chosen, as locks have it and as ``rules/debian.bzl`` compares it."""
        found = {
            "essential": self.essential,
            "exclude": sorted(set(self.exclude)),
            "packages": sorted(set(self.packages)),
            "recommends": self.recommends,
        }
        return {**found, "suites": sorted(set(self.suites))} if self.suites else found


def make_lock(
    request: LockRequest, sources: Sequence[AptSource], cache: Path, say: Callable[[str], None]
) -> bytes:
    """Return the text of a lock. ``cache`` is a folder for indexes, ``say`` is told what is odd.

    Raises `LockError` when the packages cannot be installed together, `FetchError` when the archive cannot be read.
    """
    if not request.packages and not request.essential:
        raise LockError(f"{request.label} names no packages", hint="give it packages = [...]")
    if not sources:
        raise LockError(
            f"{request.label}: no package source is known",
            hint="name one under apt.sources in hermes.yaml, or configure apt on this machine",
        )
    chosen: dict[str, tuple[Package, ...]] = {}
    offered = _offered(sources, request.architectures, cache, say)
    for architecture in request.architectures:
        try:
            chosen[architecture] = resolve(
                Universe(offered[architecture], architecture),
                request.packages,
                recommends=request.recommends,
                essential=request.essential,
                exclude=request.exclude,
            )
        except LockError as error:
            raise LockError(f"{request.label} ({architecture}): {error.message}", hint=error.hint) from None
    return _text(request, chosen).encode()


def _offered(
    sources: Sequence[AptSource], architectures: Sequence[str], cache: Path, say: Callable[[str], None]
) -> dict[str, list[Package]]:
    """Return the packages of all suites, by architecture."""
    found: dict[str, list[Package]] = {architecture: [] for architecture in architectures}
    for suite in suites_of(sources):
        release = read_release(suite, say)
        for doubt in release.doubts(suite.name, datetime.now(UTC)):
            say(f"warning: {doubt}")
        for architecture, packages in found.items():
            for folder in suite.index_folders(architecture):
                say(f"reading {shown(suite.folder)} {folder}")
                packages.extend(read_packages(suite, release, folder, architecture, cache) or ())
    for architecture, packages in found.items():
        if not packages:
            raise LockError(
                f"no package source has packages for {architecture}",
                hint="check the architecture (Debian's name of it), and the package sources",
            )
    return found


def _text(request: LockRequest, chosen: dict[str, tuple[Package, ...]]) -> str:
    needed: dict[Package, list[str]] = {}
    for architecture, packages in chosen.items():
        for package in packages:
            _check(package)
            needed.setdefault(package, []).append(architecture)
    lines = [
        f"# Made by `hermes lock {request.label}`; run it again instead of editing this.",
        f"version: {VERSION}",
        f"architectures: [{', '.join(request.architectures)}]",
        "asked:",
        *(f"  {name}: {json.dumps(value)}" for name, value in request.asked.items()),
        "packages:",
    ]
    for package in sorted(needed, key=lambda one: (one.name, one.architecture, one.version)):
        architectures = needed[package]
        lines += [
            f"- name: {package.name}",
            f'  version: "{package.version}"',
            f"  architecture: {package.architecture}",
            f"  path: {_scalar(package.path)}",
            f"  size: {package.size}",
            f'  sha256: "{package.sha256}"',
        ]
        if package.architecture == "all" and len(architectures) < len(request.architectures):
            lines.append(f"  for: [{', '.join(architectures)}]")
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    return text if _PLAIN.match(text) else f'"{text}"'


def _check(package: Package) -> None:
    """Raise `LockError` for an entry of an index that a lock must not repeat."""
    path = package.path
    bad = not path or path.startswith("/") or ".." in path.split("/") or not path.isprintable() or '"' in path
    if bad or "://" in path or not _SHA256.match(package.sha256) or package.size <= 0:
        raise LockError(
            f"{package}: the archive's index gives it no usable path, size and SHA256",
            hint="use another mirror, or tell who runs this one",
        )

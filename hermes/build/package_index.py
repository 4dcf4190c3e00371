"""Where Python and npm packages come from: what ``hermes.yaml`` names, else what uv, pip and npm on this machine are told."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from hermes.node.npmrc import NpmSources
from hermes.node.npmrc import machine_sources as npm_machine_sources
from hermes.node.registry import NpmRegistry
from hermes.python.index import PackageIndex
from hermes.python.package_sources import PackageSources, machine_sources
from hermes.workspace.root import Settings


def package_sources(settings: Settings, root: Path) -> PackageSources:
    """Return the sources for the workspace at ``root``; certificates are those of the machine."""
    machine = machine_sources(os.environ, root)
    own = settings.python_sources
    if own is None:
        return machine
    return PackageSources(own.indexes, own.find_links, machine.ca, machine.client, of_workspace=True)


def package_index(settings: Settings, root: Path, cancelled: threading.Event | None = None) -> PackageIndex:
    """Return the index of a build."""
    return PackageIndex(package_sources(settings, root), cancelled)


def npm_sources(settings: Settings, root: Path) -> NpmSources:
    """Return npm's sources for the workspace at ``root``; credentials and certificates are those of the machine."""
    machine = npm_machine_sources(os.environ, root)
    own = settings.npm
    if own is None:
        return machine
    scopes = MappingProxyType({**machine.scopes, **own.scopes})
    return replace(machine, registry=own.registry or machine.registry, scopes=scopes)


def npm_registry(settings: Settings, root: Path) -> NpmRegistry:
    """Return the registry of a build."""
    return NpmRegistry(npm_sources(settings, root))

"""Where Python packages come from: what ``hermes.yaml`` names, else what uv and pip on this machine are told."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from hermes.python.index import PackageIndex
from hermes.python.package_sources import PackageSources, machine_sources
from hermes.workspace.root import Settings


def package_sources(settings: Settings, root: Path) -> PackageSources:
    """Return the sources for the workspace at ``root``; certificates are those of the machine."""
    machine = machine_sources(os.environ, root)
    own = settings.python_sources
    return PackageSources(own.indexes, own.find_links, machine.ca, machine.client) if own else machine


def package_index(settings: Settings, root: Path, cancelled: threading.Event | None = None) -> PackageIndex:
    """Return the index of a build."""
    return PackageIndex(package_sources(settings, root), cancelled)

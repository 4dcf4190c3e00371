"""Where Debian packages come from: what ``hermes.yaml`` names, else what apt on this machine is told."""

from __future__ import annotations

from collections.abc import Sequence

from hermes.debian.apt_source import AptSource
from hermes.debian.sources import machine_sources
from hermes.workspace.root import Settings


def apt_sources(settings: Settings) -> Sequence[AptSource]:
    """Return the archives to resolve packages from."""
    return settings.apt_sources or machine_sources()


def mirrors(settings: Settings) -> Sequence[str]:
    """Return the addresses to which the path of a package is appended, each once."""
    return list(dict.fromkeys(source.uri for source in apt_sources(settings)))

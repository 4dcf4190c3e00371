"""Addresses that registries name: in redirects, locations, links, realms and manifests. Anybody may have written them."""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin, urlsplit

from hermes.errors import RegistryError

_SHOWN: Final = 300


def joined(base: str, target: str, of: str) -> str:
    """Return the address that ``target`` is, seen from ``base``; raises `RegistryError`, naming who leads there ``of``."""
    try:
        found = urljoin(base, target)
        _ = urlsplit(found).port  # which is parsed only when somebody looks
    except ValueError:
        raise RegistryError(f"{of} leads to the invalid URL {target[:_SHOWN]!r}") from None
    return found

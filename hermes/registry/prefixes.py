"""What the name of an image begins with when it is none of the store's: a transport."""

from __future__ import annotations

from typing import Final

TRANSPORTS: Final = (
    "containers-storage",
    "dir",
    "docker",
    "docker-archive",
    "docker-daemon",
    "oci",
    "oci-archive",
)
"""Images can be read from all of them, and written to all."""

TRANSPORT: Final = "docker://"
"""That of registries."""


def has_transport(text: str) -> bool:
    """Tell whether ``text`` begins with a transport, which no name of an image does."""
    transport, colon, _ = text.partition(":")
    return bool(colon) and transport in TRANSPORTS


def is_remote(text: str) -> bool:
    """Tell whether a text names an image in a registry."""
    return text.startswith(TRANSPORT)

"""Image configurations; see image-spec, config.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from hermes.digest import Digest
from hermes.errors import ImageError
from hermes.image.platform import Platform

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_LATEST: Final = 253402300799


def timestamp(seconds: int) -> str:
    """Return a time as RFC 3339 has it; raises `ImageError` when it has no four-digit year."""
    if not 0 <= seconds <= _LATEST:
        raise ImageError(f"{seconds} is no time that an image can have been created at")
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_timestamp(text: str) -> bool:
    """Tell whether ``text`` is a date and time with its zone, as RFC 3339, section 5.6, has it."""
    if not _RFC3339.match(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def configuration(
    *,
    platform: Platform,
    created: str,
    config: Mapping[str, Any],
    diff_ids: Sequence[Digest],
    history: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return a configuration document. ``config`` has the fields of its ``config``; empty ones are left out."""
    document: dict[str, Any] = {
        "architecture": platform.architecture,
        "config": {name: value for name, value in config.items() if value},
        "created": created,
        "history": list(history),
        "os": platform.os,
        "rootfs": {"diff_ids": list(diff_ids), "type": "layers"},
    }
    if platform.variant:
        document["variant"] = platform.variant
    return document


def platform_of(document: Mapping[str, Any]) -> Platform:
    """Return the platform that a configuration is for; raises `ImageError`."""
    system, architecture = document.get("os"), document.get("architecture")
    variant = document.get("variant", "")
    if not all(type(one) is str for one in (system, architecture, variant)) or not system or not architecture:
        raise ImageError("the image's configuration does not say its platform")
    return Platform(str(system), str(architecture), str(variant))


def diff_ids_of(document: Mapping[str, Any]) -> list[Digest]:
    """Return the layers that a configuration names, the lowest first; raises `ImageError`."""
    rootfs = document.get("rootfs")
    listed = rootfs.get("diff_ids") if isinstance(rootfs, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ImageError("the image's configuration does not name its layers")
    return [Digest.parse(one) for one in listed]

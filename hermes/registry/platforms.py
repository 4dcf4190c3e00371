"""Which image of an index is for a platform; see image-spec, image-index.md and its table of variants. No I/O."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from hermes.errors import ImageError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.registry.repository import INDEXES

_VARIANT: Final = re.compile(r"v([0-9]+)\Z")
_DEFAULTS: Final = {"arm": 7, "arm64": 8, "amd64": 1}
_UNKNOWN: Final = "unknown"


def rows_of(data: bytes, what: str) -> list[Descriptor]:
    """Return what an index lists; raises `ImageError`."""
    try:
        listed: Any = json.loads(data)["manifests"]
        return [Descriptor.from_json(one) for one in listed]
    except (ValueError, KeyError, TypeError):
        raise ImageError(f"{what} is no index of images") from None


def chosen(rows: list[Descriptor], wanted: Platform, what: str) -> Descriptor:
    """Return the image for a platform: the one of the highest variant that it can run.

    Raises `UsageError` with the platforms that there are.
    """
    best: tuple[int, Descriptor] | None = None
    for one in rows:
        if one.platform is None or one.media_type in INDEXES:
            continue
        rank = _rank(one.platform, wanted)
        if rank is not None and (best is None or rank > best[0]):
            best = rank, one
    if best is not None:
        return best[1]
    raise no_such_platform(what, wanted, [one.platform for one in rows if one.platform])


def no_such_platform(what: str, wanted: Platform, there: list[Platform]) -> UsageError:
    """Return the error that lists the platforms that there are."""
    known = sorted({str(one) for one in there if one.os != _UNKNOWN})
    shown = (
        f"there {'is' if len(known) == 1 else 'are'} {', '.join(known)}" if known else "it names no platforms"
    )
    return UsageError(f"{what}: there is no image for {wanted}", hint=f"{shown}; say --platform")


def suits(there: Platform, wanted: Platform) -> bool:
    """Tell whether an image for one platform can be taken for another."""
    return _rank(there, wanted) is not None


def _rank(there: Platform, wanted: Platform) -> int | None:
    """Return how well an image suits, or None when it does not run at all."""
    if (there.os, there.architecture) != (wanted.os, wanted.architecture):
        return None
    if there.variant == wanted.variant:
        return 1 << 16
    has, can = _number(there), _number(wanted)
    return has if has is not None and can is not None and has <= can else None


def _number(platform: Platform) -> int | None:
    if not platform.variant:
        return _DEFAULTS.get(platform.architecture, 0)
    found = _VARIANT.match(platform.variant)
    return int(found[1]) if found else None

"""Which image of an index is for a platform; see image-spec, image-index.md and its table of variants. No I/O."""

from __future__ import annotations

import json
from typing import Any, Final

from hermes.errors import ImageError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.image.platform import Platform
from hermes.registry.repository import INDEXES

_UNKNOWN: Final = "unknown"


def rows_of(data: bytes, what: str) -> list[Descriptor]:
    """Return what an index lists; raises `ImageError`."""
    try:
        listed: Any = json.loads(data)["manifests"]
        return [Descriptor.from_json(one) for one in listed]
    except (ValueError, KeyError, TypeError):
        raise ImageError(f"{what} is no index of images") from None
    except ImageError as error:
        raise ImageError(f"{what}: {error.message}", hint=error.hint) from None


def chosen(rows: list[Descriptor], wanted: Platform, what: str) -> Descriptor:
    """Return the image for a platform: the one of the highest variant that it can run.

    Raises `UsageError` with the platforms that there are.
    """
    there = [one for one in rows if one.platform is not None and one.media_type not in INDEXES]
    best = wanted.best_of([one.platform for one in there if one.platform is not None])
    if best is not None:
        return next(one for one in there if one.platform == best)
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
    return wanted.best_of([there]) is not None

"""Following symbolic links by hand, as a process in a root would, and never out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hermes.errors import BuildError

_MOST_LINKS: Final = 40


def resolved(path: str, link_at: Callable[[str], str | None], *, follow_last: bool = True) -> str:
    """Return what ``path`` names, there or not, as a path relative to the root that has no links.

    ``link_at`` returns the target of the link at such a path, or None where there is none. Raises `BuildError` for
    a loop of links.
    """
    done = ""
    left = _parts(path)
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        here = f"{done}/{part}" if done else part
        target = link_at(here) if left or follow_last else None
        if target is None:
            done = here
            continue
        links += 1
        if links > _MOST_LINKS:
            raise BuildError(f"/{path.lstrip('/')}: too many symbolic links")
        if target.startswith("/"):
            done = ""
        left.extend(_parts(target))
    return done


def _parts(path: str) -> list[str]:
    """Return the names in a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]

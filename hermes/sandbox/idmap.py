"""Which user and group ids a user namespace of this user has. See user_namespaces(7), subuid(5)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Final, NamedTuple

_LARGEST: Final = 4294967295


class IdRange(NamedTuple):
    """``count`` ids from ``inside`` in the namespace are those from ``outside`` out of it."""

    inside: int
    outside: int
    count: int  # type: ignore[assignment]


class IdMap(NamedTuple):
    """The ranges of a namespace, and whether the setuid tools must write them.

    ``whole`` tells whether ids other than the user's own are mapped.
    """

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]
    needs_tools: bool
    whole: bool


def current_map() -> IdMap:
    """Return the map for a namespace made by this process.

    Root maps every id it has to itself. Another user maps itself to root and the subordinate range after
    that, or, without a range or without the tools that may use it, only itself.
    """
    if os.geteuid() == 0:
        uids, gids = _identity("uid"), _identity("gid")
        return IdMap(uids, gids, needs_tools=False, whole=True)
    import shutil

    uid, gid = os.geteuid(), os.getegid()
    uids, gids = subordinate("/etc/subuid"), subordinate("/etc/subgid")
    if uids and gids and shutil.which("newuidmap") and shutil.which("newgidmap"):
        return IdMap((IdRange(0, uid, 1), *uids), (IdRange(0, gid, 1), *gids), needs_tools=True, whole=True)
    return IdMap((IdRange(0, uid, 1),), (IdRange(0, gid, 1),), needs_tools=False, whole=False)


def subordinate(path: str) -> tuple[IdRange, ...]:
    """Return this user's ranges in ``/etc/subuid`` or ``/etc/subgid``, laid out from id 1 on."""
    import pwd

    names = {str(os.geteuid())}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(os.geteuid()).pw_name)
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    ranges: list[IdRange] = []
    inside = 1
    for line in lines:
        parts = line.strip().split(":")
        if len(parts) == 3 and parts[0] in names and parts[1].isdigit() and parts[2].isdigit():
            start, count = int(parts[1]), int(parts[2])
            if count > 0:
                ranges.append(IdRange(inside, start, count))
                inside += count
    return tuple(ranges)


def lines(ranges: Iterable[IdRange]) -> bytes:
    """Return ranges as ``/proc/PID/uid_map`` takes them."""
    return "".join(f"{one.inside} {one.outside} {one.count}\n" for one in ranges).encode()


def same_inside(kind: str) -> tuple[IdRange, ...]:
    """Return the map of this namespace's ids (``uid`` or ``gid``) to themselves, for one inside it."""
    return _identity(kind)


def has_one_id() -> bool:
    """Tell whether this process is in a namespace that has root and nobody else."""
    return sum(one.count for one in same_inside("uid")) == 1


def _identity(kind: str) -> tuple[IdRange, ...]:
    ranges = []
    with open(f"/proc/self/{kind}_map") as file:
        for line in file:
            inside, _, count = map(int, line.split())
            ranges.append(IdRange(inside, inside, min(count, _LARGEST)))
    return tuple(ranges)

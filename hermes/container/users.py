"""Users of a root file system, looked up in its own ``/etc/passwd`` and ``/etc/group``.

See image-spec, config.md, "User": ``user``, ``uid``, ``user:group``, ``uid:gid``, ``uid:group``, ``user:gid``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hermes.errors import SandboxError
from hermes.layer.entry import LARGEST_ID
from hermes.sizes import whole_number

_ROOT: Final = "root"
_ROOT_ID: Final = "0"


@dataclass(frozen=True, slots=True)
class User:
    """Who a process is: numeric ids, supplementary groups, and the home directory."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def user_in(read: Callable[[str], str], text: str) -> User:
    """Return the user that an image's or target's ``user`` means; empty is root.

    ``read`` returns the files of the root by their paths: empty when they are not there. Raises `SandboxError` when
    a name is not there, but for ``root``: that is 0 without a file that says so, too.
    """
    name, _, group = text.partition(":")
    row = _find(read, "/etc/passwd", name or "0")
    name = _ROOT_ID if row is None and name in ("", _ROOT) else name
    if row is None and not (name.isascii() and name.isdigit()):
        raise SandboxError(
            f"there is no user {name!r} in the root's /etc/passwd", hint="use a numeric user id"
        )
    uid = _number(row[2] if row else name, name)
    gid = _number(row[3], name) if row and len(row) > 3 else 0
    home = row[5] if row and len(row) > 5 and row[5] else ("/root" if uid == 0 else "/")
    if not group:
        return User(uid, gid, _groups_of(read, row[0], gid) if row else (), home)
    found = _find(read, "/etc/group", group)
    group = _ROOT_ID if found is None and group == _ROOT else group
    if found is None and not (group.isascii() and group.isdigit()):
        raise SandboxError(
            f"there is no group {group!r} in the root's /etc/group", hint="use a numeric group id"
        )
    return User(uid, _number(found[2] if found else group, group), (), home)


def _groups_of(read: Callable[[str], str], name: str, gid: int) -> tuple[int, ...]:
    found = {
        whole_number(row[2], LARGEST_ID)
        for row in _rows(read, "/etc/group")
        if len(row) > 3 and name in row[3].split(",")
    }
    return tuple(sorted(one for one in found if one not in (None, gid)))


def _find(read: Callable[[str], str], path: str, name: str) -> list[str] | None:
    rows = _rows(read, path)
    by_name = next((row for row in rows if row[0] == name and len(row) > 2), None)
    return by_name or next((row for row in rows if len(row) > 2 and row[2] == name), None)


def _rows(read: Callable[[str], str], path: str) -> list[list[str]]:
    return [line.split(":") for line in read(path).splitlines() if line and not line.startswith("#")]


def _number(text: str, name: str) -> int:
    found = whole_number(text, LARGEST_ID)
    if found is None:
        raise SandboxError(f"{name[:80]!r} has no valid numeric id ({text[:80]!r})")
    return found

"""``accounts``: users and groups, with their home folders. See passwd(5) and group(5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from hermes.actions.layer import stored_layer
from hermes.actions.roots import Root
from hermes.actions.specs.accounts import Accounts, GroupRow, UserRow
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, hinted_codec
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError
from hermes.layer.content import BytesContent
from hermes.layer.entry import DIRECTORY, FILE, Entry, parents
from hermes.layer.view import View
from hermes.layer.write import Item

PASSWD: Final = "etc/passwd"  # noqa: S105 - a path
GROUP: Final = "etc/group"
_USERS: Final = (
    UserRow("root", 0, 0, "/root", "/sbin/nologin"),
    UserRow("nobody", 65534, 65534, "/nonexistent", "/sbin/nologin", makes_home=False),
)
_GROUPS: Final = (GroupRow("root", 0), GroupRow("nobody", 65534))
_ROWS: Final = {PASSWD: 7, GROUP: 4}
"""How many fields a row has."""


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `BuildError` for a user or group that is another one in the root."""
    spec = of_request(Accounts[Resolved], request)
    root = Root(spec.roots, tools)
    items = list(accounts(spec, root.view, root.content))
    return {"layer": stored_layer(items, tools, hinted_codec(request))}


def accounts(spec: Accounts[Resolved], view: View, read: Callable[[str], bytes | None]) -> Iterator[Item]:
    """Yield the entries of the layer; ``read`` returns the content of files of the root, None where there is none."""
    texts = {path: (read(path) or b"").decode("utf-8", "surrogateescape") for path in (PASSWD, GROUP)}
    fresh = not texts[PASSWD]
    users = [*(_USERS if fresh else ()), *spec.users]
    groups = [*(_GROUPS if fresh and not texts[GROUP] else ()), *spec.groups]
    known = {row[2] for row in _rows(texts[GROUP], GROUP)} | {str(one.gid) for one in groups}
    for one in users:
        if str(one.gid) not in known:
            known.add(str(one.gid))
            groups.append(GroupRow(one.name, one.gid))
    contents = {
        PASSWD: _joined(
            texts[PASSWD],
            PASSWD,
            [(one.name, "x", str(one.uid), str(one.gid), one.name, one.home, one.shell) for one in users],
        ),
        GROUP: _joined(
            texts[GROUP], GROUP, [(one.name, "x", str(one.gid), ",".join(one.members)) for one in groups]
        ),
    }
    made: set[str] = set()
    for path, text in contents.items():
        data = text.encode("utf-8", "surrogateescape")
        yield from _folders(path, view, made, spec.mtime)
        yield Entry(path, FILE, 0o644, size=len(data), mtime=spec.mtime), BytesContent(data)
    for one in users:
        home = one.home.strip("/")
        if not one.makes_home or not home or home in made or view.exists(view.resolve(home)):
            continue
        yield from _folders(home, view, made, spec.mtime)
        made.add(home)
        yield Entry(home, DIRECTORY, 0o700, one.uid, one.gid, mtime=spec.mtime), None


def _folders(path: str, view: View, made: set[str], mtime: int) -> Iterator[Item]:
    """Yield the folders above a path that the root does not have."""
    for above in parents(path):
        if above not in made and not view.exists(view.resolve(above)):
            made.add(above)
            yield Entry(above, DIRECTORY, 0o755, mtime=mtime), None


def _rows(text: str, path: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        row = line.split(":")
        if len(row) == _ROWS[path]:
            yield row


def _joined(text: str, path: str, more: list[tuple[str, ...]]) -> str:
    """Return a file with more rows; those whose name is there must be as they are there. Members are added to theirs."""
    lines = text.splitlines()
    numbers = {line.split(":")[0]: number for number, line in enumerate(lines) if ":" in line}
    for row in more:
        number = numbers.get(row[0])
        if number is None:
            numbers[row[0]] = len(lines)
            lines.append(":".join(row))
            continue
        there = lines[number].split(":")
        ids = slice(2, 4) if path == PASSWD else slice(2, 3)
        if there[ids] != list(row[ids]):
            what = "user" if path == PASSWD else "group"
            raise BuildError(
                f"/{path} of the base has the {what} {row[0]} with {':'.join(there[ids])}, "
                f"and the target says {':'.join(row[ids])}",
                hint=f"give the {what} the ids that it has there, or another name",
            )
        if path == GROUP and row[3]:
            members = dict.fromkeys(one for one in (*there[3].split(","), *row[3].split(",")) if one)
            lines[number] = ":".join((*there[:3], ",".join(members)))
    return "".join(f"{line}\n" for line in lines)

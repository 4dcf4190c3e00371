"""Users and groups are added to those of the root, and are what its own tools read."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from hermes.actions.accounts import accounts
from hermes.actions.specs.accounts import Accounts, GroupRow, UserRow
from hermes.container.users import user_in
from hermes.digest import Digest
from hermes.errors import BuildError
from hermes.layer.entry import DIRECTORY, FILE, Entry
from hermes.layer.toc import TableOfContents
from hermes.layer.view import View


def layer(spec: Accounts[Any], **files: str) -> tuple[dict[str, str], list[tuple[str, int, int]]]:
    """The texts that the layer has, and path, mode and owner of its folders; ``files`` are those in /etc of the root."""
    entries = tuple(Entry(f"etc/{name}", FILE, 0o644) for name in sorted(files))
    if files:
        entries = (Entry("etc", DIRECTORY, 0o755), *entries, Entry("home", DIRECTORY, 0o755))
    view = View([TableOfContents(Digest.of(b""), 0, entries)])

    def read(path: str) -> bytes | None:
        text = files.get(path.removeprefix("etc/"))
        return None if text is None else text.encode()

    found = list(accounts(spec, view, read))
    texts = {entry.path: b"".join(content.chunks()).decode() for entry, content in found if content}
    return texts, [(one.path, stat.S_IMODE(one.mode), one.uid) for one, _ in found if one.type == DIRECTORY]


def test_a_root_without_users_gets_root_nobody_and_those_of_the_target() -> None:
    app = UserRow("app", 65532, 65532, "/home/app", "/sbin/nologin")
    texts, folders = layer(Accounts(users=(app,), groups=(GroupRow("data", 2000, ("app",)),), mtime=0))
    assert texts == {
        "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
        "app:x:65532:65532:app:/home/app:/sbin/nologin\n",
        "etc/group": "root:x:0:\nnobody:x:65534:\ndata:x:2000:app\napp:x:65532:\n",
    }
    assert folders == [
        ("etc", 0o755, 0),
        ("root", 0o700, 0),
        ("home", 0o755, 0),
        ("home/app", 0o700, 65532),
    ]
    user = user_in(lambda path: texts[path[1:]], "app")
    assert (user.uid, user.gid, user.groups, user.home) == (65532, 65532, (2000,), "/home/app")


PASSWD = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin"
GROUP = "root:x:0:\nwww-data:x:33:\nstaff:x:50:old\n"


def test_the_users_of_the_base_stay_and_its_groups_get_members() -> None:
    spec: Accounts[Any] = Accounts(
        users=(UserRow("app", 1000, 50, "/home/app", "/bin/sh"), UserRow("www-data", 33, 33, "/", "/x")),
        groups=(GroupRow("staff", 50, ("app",)),),
        mtime=0,
    )
    texts, folders = layer(spec, passwd=PASSWD, group=GROUP)
    assert texts["etc/passwd"] == f"{PASSWD}\napp:x:1000:50:app:/home/app:/bin/sh\n"
    assert texts["etc/group"] == "root:x:0:\nwww-data:x:33:\nstaff:x:50:old,app\n"
    assert folders == [("home/app", 0o700, 1000)]


def test_a_user_that_is_another_one_in_the_base_is_an_error() -> None:
    spec: Accounts[Any] = Accounts(users=(UserRow("www-data", 34, 33, "/", "/x"),), groups=(), mtime=0)
    with pytest.raises(BuildError, match="has the user www-data with 33:33, and the target says 34:33"):
        layer(spec, passwd=PASSWD, group=GROUP)
    spec = Accounts(users=(), groups=(GroupRow("staff", 51),), mtime=0)
    with pytest.raises(BuildError, match="has the group staff with 50, and the target says 51"):
        layer(spec, passwd=PASSWD, group=GROUP)

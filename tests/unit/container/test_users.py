"""Who a name of a user or group is, by the files of a root.

What is right was asked of BuildKit of docker 20.10 (``COPY --chown`` onto scratch), which knows root without a file.
"""

from __future__ import annotations

import pytest

from hermes.container.users import user_in
from hermes.errors import SandboxError

FILES = {
    "/etc/passwd": "admin:x:0:7::/adm:/bin/sh\nu:x:1000:1001::/home/u:/bin/sh\n",
    "/etc/group": "wheel:x:0:\nusers:x:1001:\nmore:x:9:u\n",
}


def ids(text: str, files: dict[str, str]) -> tuple[int, int]:
    found = user_in(lambda path: files.get(path, ""), text)
    return found.uid, found.gid


@pytest.mark.parametrize("text", ["", "root", "root:root", "0", "0:root", "root:0", ":root"])
@pytest.mark.parametrize("files", [{}, {"/etc/passwd": "", "/etc/group": ""}])
def test_root_is_0_without_files_that_say_so(text: str, files: dict[str, str]) -> None:
    assert ids(text, files) == (0, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("root", (0, 0)), ("u:root", (1000, 0)), ("", (0, 7)), ("u", (1000, 1001)), ("u:more", (1000, 9))],
)
def test_files_say_who_others_are(text: str, expected: tuple[int, int]) -> None:
    assert ids(text, FILES) == expected


def test_a_row_named_root_counts() -> None:
    files = {"/etc/passwd": "root:x:5:6::/r:/bin/sh\n", "/etc/group": "root:x:7:\n"}
    assert (ids("root", files), ids("root:root", files)) == ((5, 6), (5, 7))


@pytest.mark.parametrize("text", ["foo", "foo:root", "5:foo", "Root"])
def test_other_names_need_the_files(text: str) -> None:
    with pytest.raises(SandboxError, match="there is no"):
        ids(text, {})

"""What decides a test, and how it is told; `tests.structures` has the cases."""

from __future__ import annotations

import stat

import pytest

from hermes.testing.suite import FileContentTest, FileExistenceTest, MetadataTest, Variable
from hermes.testing.verdicts import Seen, mode_text, of_content, of_existence, of_license, of_metadata


@pytest.mark.parametrize(
    ("mode", "text"),
    [  # io/fs.FileMode.String
        (stat.S_IFREG | 0o644, "-rw-r--r--"),
        (stat.S_IFDIR | 0o1777, "dtrwxrwxrwx"),
        (stat.S_IFREG | 0o6755, "ugrwxr-xr-x"),
        (stat.S_IFDIR | 0o2770, "dgrwxrwx---"),
        (stat.S_IFLNK | 0o777, "Lrwxrwxrwx"),
        (stat.S_IFCHR | 0o600, "Dcrw-------"),
        (stat.S_IFBLK | 0o600, "Drw-------"),
        (stat.S_IFIFO | 0o600, "prw-------"),
        (stat.S_IFSOCK | 0o600, "Srw-------"),
    ],
)
def test_modes_are_written_as_go_writes_them(mode: int, text: str) -> None:
    assert mode_text(mode) == text


def test_all_that_is_wrong_with_a_file_is_told() -> None:
    test = FileExistenceTest("n", "/f", permissions="-rwx------", uid=1, gid=2, executable_by="group")
    assert list(of_existence(test, Seen(stat.S_IFREG | 0o644, 5, 6))) == [
        "/f has the permissions -rw-r--r--, expected -rwx------",
        "/f should be executable by group but is -rw-r--r--",
        "/f has the user id 5, expected 1",
        "/f has the group id 6, expected 2",
    ]
    assert list(of_existence(test, None)) == ["/f should exist but does not"]


def test_all_that_is_wrong_with_a_configuration_is_told() -> None:
    test = MetadataTest(
        env=(Variable("A", "b"), Variable("C", "x", True), Variable("N")),
        unbound_env=(Variable("A"),),
        exposed_ports=("80",),
        unexposed_ports=("53",),
        cmd=("x",),
        user="u",
    )
    config = {"Env": ["A=a", "C=c"], "ExposedPorts": {"53/udp": {}}}
    assert list(of_metadata(test, config)) == [
        "the variable A is 'a', expected 'b'",
        "the variable C is 'c', which does not match 'x'",
        "the variable N is not set",
        "the variable A should not be set",
        "the cmd is [], expected ['x']",
        "the user is '', expected 'u'",
        "the port 80 is not in the configuration",
        "the port 53 should not be in the configuration",
    ]


def test_a_long_content_is_not_shown_whole() -> None:
    (said,) = of_content(FileContentTest("n", "/f", ("y",)), "x" * 9000)
    assert said.startswith("expected string 'y' not found in file content 'xxx")
    assert said.endswith("(9000 characters)")
    assert list(of_license("/l", "the agpl")) == ["/l names the license AGPL, which is refused"]

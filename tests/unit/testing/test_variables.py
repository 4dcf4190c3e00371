"""``$NAME`` as os.Expand has it: the rows are from Go's own tests and from running it."""

from __future__ import annotations

import pytest

from hermes.testing.variables import expanded

VALUES = {
    "*": "all the args",
    "#": "NARGS",
    "$": "PID",
    "1": "ARGUMENT1",
    "HOME": "/usr/gopher",
    "H": "(H)",
    "_A1": "x",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("$*", "all the args"),
        ("$$", "PID"),
        ("${*}", "all the args"),
        ("$1", "ARGUMENT1"),
        ("${1}", "ARGUMENT1"),
        ("now is the time", "now is the time"),
        ("$HOME", "/usr/gopher"),
        ("$home_1", ""),
        ("${HOME}", "/usr/gopher"),
        ("${H}OME", "(H)OME"),
        ("A$$$#$1$H$home_1*B", "APIDNARGSARGUMENT1(H)*B"),
        ("start$+middle$^end$", "start$+middle$^end$"),
        ("mixed$|bag$$$", "mixed$|bagPID$"),
        ("$", "$"),
        ("$}", "$}"),
        ("${", ""),
        ("${}", ""),
        ("${HOME", "HOME"),
        ("é$_A1€", "éx€"),
    ],
)
def test_names_are_replaced(text: str, expected: str) -> None:
    assert expanded(text, VALUES) == expected

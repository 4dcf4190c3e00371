"""Files of names and values: ``--env-file``, and those of services."""

from __future__ import annotations

import pytest

from hermes.errors import UsageError
from hermes.image.assignments import assignments, values_of


def test_each_line_is_a_name_with_a_value_or_without() -> None:
    data = b"\xef\xbb\xbfA=1\r\n\n  # note\n#x=y\n  B= two words #3 \nC\nD=\nA=a=b\n"
    assert list(assignments(data, "f")) == [
        (1, "A", "1"),
        (5, "B", " two words #3 "),
        (6, "C", None),
        (7, "D", ""),
        (8, "A", "a=b"),
    ]
    assert values_of(b"A=1\n# note\nA=2\nB=\n", "f") == {"A": "2", "B": ""}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"A=1\n=x\n", "f: line 2: expected NAME=VALUE or NAME, got '=x'"),
        (b"A B=x\n", "f: line 1: expected NAME=VALUE or NAME"),
        (b"A=\0\n", "f: line 1: expected NAME=VALUE or NAME"),
        (b"A=\xff\n", "f: the file is not UTF-8"),
        (b"\nA\n", "f: line 2: expected NAME=VALUE, got 'A'"),
    ],
)
def test_what_is_none_of_both_is_told_with_its_line(data: bytes, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        values_of(data, "f")
    assert raised.value.message.startswith(problem)

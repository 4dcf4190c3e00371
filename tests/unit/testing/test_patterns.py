"""Patterns mean what they mean in Go."""

from __future__ import annotations

import pytest

from hermes.testing.patterns import found, problem_of, text_of


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [  # as Go's regexp has it
        ("^b$", "a\nb\n", False),
        ("(?m)^b$", "a\nb\n", True),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        ("a$", "a\n", False),
        (r"a\z", "a", True),
        (r"^\pL\d\s\z", "ä1\n", True),
        (r"\d", "\u0663", False),
        (r"\w", "ä", False),
        (r"\bä", "ä", False),
        ("(?i)straße", "STRAßE", True),
        ("(?P<a>x)", "x", True),
        (r"\Qa.b(c\E", "a.b(c", True),
        ("", "", True),
        (r"\x{fc}", "ü", True),
    ],
)
def test_patterns_are_those_of_go(pattern: str, text: str, expected: bool) -> None:
    assert problem_of(pattern) == ""
    assert found(pattern, text) is expected


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "a{1001}", "[", "*", r"\C"[:1], "(?P<a>x"])
def test_what_go_has_not_is_a_problem(pattern: str) -> None:
    assert problem_of(pattern)


def test_each_byte_that_is_not_utf8_is_one_character() -> None:
    assert text_of(b"a\xff\xe2\x82b\xe2\x82\xac") == "a\ufffd\ufffd\ufffdb€"

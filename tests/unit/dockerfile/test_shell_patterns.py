"""Patterns of substitutions: what BuildKit's regular expressions match, in linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes.dockerfile.shell_patterns import ShellPattern
from tests.properties import examples


def expression(pattern: str, *, greedy: bool) -> re.Pattern[str]:
    """What BuildKit makes of a pattern without backslashes (``convertShellPatternToRegex``)."""
    star = ".*" if greedy else ".*?"
    return re.compile(
        "".join(star if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    )


def replaced_as_go_does(pattern: str, value: str, replacement: str) -> str:
    """Go's ``ReplaceAllString``: nothing is matched where the match before it ends."""
    made, kept, place, last = "", 0, 0, -1
    found = expression(pattern, greedy=True)
    while place <= len(value) and (match := found.search(value, place)):
        if match.end() > last or match.start() == 0:
            made += value[kept : match.start()] + replacement
            kept = last = match.end()
        place = max(match.end(), place + 1)
    return made + value[kept:]


patterns = st.text("ab*?\n", max_size=7)
values = st.text("ab\n", max_size=12)


@examples(1500)
@given(patterns, values, st.booleans())
@example("a*b*a", "abba\nba", True)
def test_what_is_removed_is_what_a_regular_expression_matches(pattern: str, value: str, greedy: bool) -> None:
    match = expression(pattern, greedy=greedy).match(value)
    assert ShellPattern(pattern, greedy=greedy).removed(value) == (value[match.end() :] if match else value)


@examples(1500)
@given(patterns, values)
@example("*", "ab")
@example("", "ab")
def test_what_is_replaced_is_what_go_replaces(pattern: str, value: str) -> None:
    found = ShellPattern(pattern, greedy=True)
    assert found.replaced(value, lambda: "x", everywhere=True) == replaced_as_go_does(pattern, value, "x")
    once = expression(pattern, greedy=True).sub("x", value, count=1)
    assert found.replaced(value, lambda: "x", everywhere=False) == once


@pytest.mark.parametrize("greedy", [True, False])
def test_many_stars_are_no_work(greedy: bool) -> None:
    """Where each star is tried at each place, this does not end within the time that a test has."""
    value = "a" * 20_000
    pattern = ShellPattern("*a" * 300 + "*b", greedy=greedy)
    assert pattern.removed(value) == value
    assert pattern.replaced(value, lambda: "", everywhere=True) == value

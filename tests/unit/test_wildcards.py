"""Ignore files leave out what Docker's do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes.errors import UsageError
from hermes.wildcards import Ignored, expanded

CASES = [
    (["*.log"], {"a.log": True, "d/a.log": False, "a.logs": False}),
    (["**/*.log"], {"a.log": True, "d/e/a.log": True}),
    (["d"], {"d": True, "d/x": True, "dd": False}),
    (["/d/"], {"d": True, "d/x": True}),
    (["d/*", "!d/keep"], {"d": False, "d/x": True, "d/keep": False, "d/keep/y": False}),
    (["*", "!a", "a/b"], {"x": True, "a": False, "a/c": False, "a/b": True}),
    (["# no", "", "  x  "], {"# no": False, "x": True}),
    (
        ["a?c", "[x-z]1", "[^a]2"],
        {"abc": True, "ac": False, "y1": True, "w1": False, "b2": True, "a2": False},
    ),
    (["a**"], {"abc": True, "a/b": True}),
    (["**"], {"a": True, "a/b/c": True}),
    (["a/../b"], {"b": True, "a": False}),
    ([r"\!x", r"a\*"], {"!x": True, "a*": True, "ab": False}),
    (["."], {"a": False}),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_path_is_left_out_or_not(case: int) -> None:
    lines, paths = CASES[case]
    ignored = Ignored(lines, of="test")
    assert {path: ignored.leaves_out(path) for path in paths} == paths


@pytest.mark.parametrize("line", ["[a", "a\\", "[]", "!"])
def test_a_malformed_pattern_names_its_line(line: str) -> None:
    with pytest.raises(UsageError, match=r"^\.dockerignore:2: "):
        Ignored(["ok", line], of=".dockerignore")


def test_a_folder_need_not_be_looked_at_when_nothing_in_it_is_taken_in() -> None:
    assert Ignored(["d"], of="t").leaves_out_all("d")
    assert not Ignored(["d", "!d/x"], of="t").leaves_out_all("d")


# The documented rules, written down once more as they are read: a character at a time, with no regular expression.


def ends(pattern: str, text: str) -> Iterator[str]:
    """What may be left of a text after a pattern; raises `ValueError` when the pattern is malformed."""
    if not pattern:
        yield text
        return
    if pattern.startswith("**"):
        rest = pattern[2:]
        if rest.startswith("/"):
            yield from ends(rest[1:], text)
            starts = [number + 1 for number, char in enumerate(text) if char == "/"]
            rest = rest[1:]
        else:
            starts = list(range(len(text) + 1))
        for start in starts:
            yield from ends(rest, text[start:])
    elif pattern[0] == "*":
        yield from ends(pattern[1:], text)
        if text and text[0] != "/":
            yield from ends(pattern, text[1:])
    elif pattern[0] == "?":
        if text and text[0] != "/":
            yield from ends(pattern[1:], text[1:])
    elif pattern[0] == "[":
        inside, rest = bracket(pattern[1:])
        if text and inside(text[0]):
            yield from ends(rest, text[1:])
    else:
        literal = pattern[1:2] if pattern[0] == "\\" else pattern[0]
        rest = pattern[2:] if pattern[0] == "\\" else pattern[1:]
        if text and text[0] == literal:
            yield from ends(rest, text[1:])


def bracket(pattern: str) -> tuple[object, str]:
    negated = pattern.startswith("^")
    rest = pattern[negated:]
    ranges = []
    while not rest.startswith("]") or not ranges:
        low, rest = member(rest)
        high = low
        if rest.startswith("-"):
            high, rest = member(rest[1:])
        ranges.append((low, high))
    return lambda char: any(low <= char <= high for low, high in ranges) != negated, rest[1:]


def member(text: str) -> tuple[str, str]:
    return (text[1], text[2:]) if text[0] == "\\" else (text[0], text[1:])


def matches(pattern: str, path: str) -> bool:
    return any(not rest for rest in ends(pattern, path))


def left_out(lines: list[str], path: str) -> bool:
    """The last pattern that matches a path or a folder above it decides."""
    parts = path.split("/")
    places = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    out = False
    for line in lines:
        pattern = line.removeprefix("!").strip("/")
        if any(matches(pattern, place) for place in places):
            out = not line.startswith("!")
    return out


PIECE = st.sampled_from(
    ["a", "b", "ab", "*", "?", "**", "a*", "*b", "[ab]", "[^a]", "[a-c]", "\\*", "\\a", "c.d", "**a"]
)
PATTERN = st.lists(PIECE, min_size=1, max_size=3).map("/".join)
LINE = st.builds(str.__add__, st.sampled_from(["", "", "!", "/"]), PATTERN)
PATH = st.lists(st.sampled_from(["a", "b", "ab", "c", "*", "c.d", "ba"]), min_size=1, max_size=4).map(
    "/".join
)


@given(st.lists(LINE, min_size=1, max_size=4), PATH)
@example(["a[^b]c"], "a/c")
@example(["**/a", "!a/**", "a/b"], "a/b/a")
def test_what_is_left_out_is_what_the_documented_rules_leave_out(lines: list[str], path: str) -> None:
    assert Ignored(lines, of="test").leaves_out(path) == left_out(lines, path)


@given(st.lists(LINE, min_size=1, max_size=4), PATH, PATH)
def test_nothing_is_taken_in_below_a_folder_that_is_left_out_whole(
    lines: list[str], folder: str, below: str
) -> None:
    ignored = Ignored(lines, of="test")
    if ignored.leaves_out_all(folder):
        assert ignored.leaves_out(f"{folder}/{below}")


def test_two_stars_are_folders_of_any_depth() -> None:
    def names(folder: str) -> list[str]:
        return ["d"] if folder.count("d") < 2000 else []

    assert len(expanded("**/d", names, names)) == 2000

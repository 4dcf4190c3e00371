"""Ignore files leave out what Docker's do."""

from __future__ import annotations

import pytest

from hermes.container.ignore import Ignored
from hermes.errors import UsageError

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

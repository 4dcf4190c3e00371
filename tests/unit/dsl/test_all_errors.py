"""A package's errors are told at once, each with its place."""

from __future__ import annotations

import pytest

from hermes.errors import BuildFileError, BuildFileErrors, HermesError, each
from tests.unit.dsl.conftest import Evaluator


def places(error: HermesError) -> list[str]:
    """The places and the first words of what an error tells."""
    return [f"{one.location}: {one.message}" for one in each(error)]


def told(evaluate: Evaluator, text: str) -> list[str]:
    with pytest.raises(BuildFileError) as raised:
        evaluate(text)
    return places(raised.value)


def test_every_statement_that_is_refused_is_told(evaluate: Evaluator) -> None:
    text = 'import os\nx = [1.5, f(y = b"")]\ndef f(a):\n    while a: pass\n    return not_defined\n'
    assert told(evaluate, text) == [
        "pkg/BUILD:1:1: import is not allowed",
        "pkg/BUILD:2:6: there are no floats",
        "pkg/BUILD:2:17: byte strings are not allowed",
        "pkg/BUILD:4:5: while is not allowed",
    ]


def test_every_name_that_is_not_defined_is_told_once(evaluate: Evaluator) -> None:
    assert told(evaluate, "a = one\nb = [one, two]\na = 3\n") == [
        "pkg/BUILD:1:5: the name 'one' is not defined",
        "pkg/BUILD:2:11: the name 'two' is not defined",
        "pkg/BUILD:3:1: 'a' is defined again",
    ]


def test_every_target_and_attribute_that_is_wrong_is_told(evaluate: Evaluator) -> None:
    text = """\
filegroup(name = "a", srcs = 3, bogus = 1)
filegroup(name = 4)
filegroup(name = "b", srcs = [":f:g"])
filegroup(name = "c", visibility = ["x y"])
filegroup(name = "c")
filegroup(name = "c")
fail("the end")
filegroup(name = 5)
"""
    found = told(evaluate, text)
    assert [one.split(": ")[0] for one in found] == [
        "pkg/BUILD:1:33",
        "pkg/BUILD:1:23",
        "pkg/BUILD:2:11",
        "pkg/BUILD:3:23",
        "pkg/BUILD:4:23",
        "pkg/BUILD:6:11",
        "pkg/BUILD:7:1",
    ]


def test_every_load_that_fails_is_told(evaluate: Evaluator) -> None:
    evaluate.write("pkg/one.bzl", "x = 1 + nothing\n")
    evaluate.write("pkg/two.bzl", "y = 2\n")
    text = 'load(":one.bzl", "x")\nload(":two.bzl", "p", "q", "y")\nload(":three.bzl", "z")\nload("one.bzl", w = "x")\n'
    assert told(evaluate, text) == [
        "pkg/one.bzl:1:9: the name 'nothing' is not defined",
        "pkg/BUILD:2:1: //pkg:two.bzl does not define 'p'",
        "pkg/BUILD:2:1: //pkg:two.bzl does not define 'q'",
        "pkg/BUILD:3:1: //pkg has no file 'three.bzl'",
    ]


def test_a_file_that_failed_is_not_run_again(evaluate: Evaluator) -> None:
    evaluate.write("pkg/one.bzl", 'print("run")\nfail("no")\nx = 1\n')
    with pytest.raises(BuildFileError, match="no"):
        evaluate('load(":one.bzl", "x")\nload(":one.bzl", y = "x")\n')
    assert len(evaluate.said) == 1


def test_many_errors_are_counted(evaluate: Evaluator) -> None:
    with pytest.raises(BuildFileErrors) as raised:
        evaluate("[filegroup(name = n) for n in range(100)]\n" + "filegroup(name = 1)\n" * 22)
    assert len(raised.value.errors) == 23  # those of one call are equal
    assert raised.value.render().endswith("\n3 more errors")

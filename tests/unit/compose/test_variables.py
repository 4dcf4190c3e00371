"""References to variables, and environment files: the values are those of docker compose 2.26.1 (``compose config``)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.compose.variables import VariableError, interpolated, parse_env_file

SET = {"A": "a", "E": "", "N": "x y", "D": "$A"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A", "a"),
        ("${A}", "a"),
        ("$$A", "$A"),
        ("$${A}", "${A}"),
        ("$$$A", "$a"),
        ("$$$$", "$$"),
        ("${U}", ""),
        ("$U.x", ".x"),
        ("${U:-d}", "d"),
        ("${E:-d}", "d"),
        ("${E-d}", ""),
        ("${U-d}", "d"),
        ("${A-}", "a"),
        ("${A:+r}", "r"),
        ("${E:+r}", ""),
        ("${E+r}", "r"),
        ("${U+r}", ""),
        ("${U:-${A}}", "a"),
        ("${U:-${V:-z}}", "z"),
        ("${U:-$A$$}", "a$"),
        ("${U:-a b}", "a b"),
        ("${U:-}", ""),
        ('${U:-"q"}', '"q"'),
        ("${U:-a:b}", "a:b"),
        ("${U:-{a}}", "{a}"),
        ("${A?no}", "a"),
        ("${E?no}", ""),
        ("${A:-x}y}", "ay}"),
        ("${D}", "$A"),
        ("x${A}y$A-$E-$N", "xaya--x y"),
        ("a$", "a$"),
        ("$ a", "$ a"),
        ("$1", "$1"),
        ("$(A)", "$(A)"),
        ("$_x", ""),
    ],
)
def test_references_are_replaced(text: str, expected: str) -> None:
    assert interpolated(text, SET, lambda _: None) == expected


@pytest.mark.parametrize(
    "text", ["${1}", "${}", "${A", "${A/b/c}", "${A!}", "${ A }", "${A:x}", "${A:-x", "${U:-${V}", "x ${"]
)
def test_a_malformed_reference_is_an_error_that_shows_it(text: str) -> None:
    with pytest.raises(VariableError) as caught:
        interpolated(text, SET, lambda _: None)
    assert repr(text) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${U?no}", "the variable U is not set: no"),
        ("${U:?}", "the variable U is not set"),
        ("${E:?is it?}", "the variable E is empty: is it?"),
        ("${U:?${A} is}", "the variable U is not set: a is"),
    ],
)
def test_a_variable_that_has_to_be_set_says_so(text: str, message: str) -> None:
    with pytest.raises(VariableError) as caught:
        interpolated(text, SET, lambda _: None)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "unset"),
    [
        ("$U $V", ["U", "V"]),
        ("${U:-d}", []),
        ("${U:-$V}", ["V"]),
        ("${A:-$V}", []),
        ("${A:+$V}", ["V"]),
        ("${U:+$V}", []),
        ("$A$$U", []),
    ],
)
def test_what_has_no_value_and_no_default_is_told(text: str, unset: list[str]) -> None:
    told: list[str] = []
    interpolated(text, SET, told.append)
    assert told == unset


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X=1", {"X": "1"}),
        ("X = 1", {"X": "1"}),
        ("  X= 1 ", {"X": "1"}),
        ("export X=1", {"X": "1"}),
        ("X: 1", {"X": "1"}),
        ("X=", {"X": ""}),
        ("X=''", {"X": ""}),
        ("X=1=2", {"X": "1=2"}),
        ("X='a b' # c", {"X": "a b"}),
        ('X="a b" # c', {"X": "a b"}),
        ("X=a#b", {"X": "a#b"}),
        ("X=a #b", {"X": "a"}),
        ("X=#c", {"X": "#c"}),
        ("X='$A'", {"X": "$A"}),
        ('X="$A"', {"X": "a"}),
        ("X=$A", {"X": "a"}),
        ("X=${U:-d}", {"X": "d"}),
        ('X="$$A"', {"X": "$A"}),
        ('X="\\$A"', {"X": "$A"}),
        ('X="a\\nb"', {"X": "a\nb"}),
        ("X='a\\nb'", {"X": "a\\nb"}),
        ("X=a\\nb", {"X": "a\\nb"}),
        ("X='it\\'s'", {"X": "it's"}),
        ('X="q\\"q"', {"X": 'q"q'}),
        ('X="a\tb\\\\c"', {"X": "a\tb\\c"}),
        ('X="a\nb"\nY=2', {"X": "a\nb", "Y": "2"}),
        ("Y=1\nX=${Y}2", {"X": "12", "Y": "1"}),
        ("A=z\nX=$A", {"A": "z", "X": "a"}),
        ("# c\n\nX=1\n", {"X": "1"}),
        ("X=1\r\nY=2\r\n", {"X": "1", "Y": "2"}),
        ("\ufeffX=1", {"X": "1"}),
        ("X.y=1\nX-y=2\n1X=3", {"X.y": "1", "X-y": "2", "1X": "3"}),
        ("X=a'b'", {"X": "a'b'"}),
    ],
)
def test_environment_files(text: str, expected: dict[str, str]) -> None:
    assert parse_env_file(text, SET, lambda _: None) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nX='open\nY=2", "line 2: a ' is not closed"),
        ("X Y=1", "line 1: expected NAME=VALUE, got 'X Y=1'"),
        ('\nX="a"b', "line 2: unexpected 'b' after the closing \""),
        ("=1", "line 1: expected NAME=VALUE, got '=1'"),
        ("\n\nX=${U:?no}", "line 3: the variable U is not set: no"),
    ],
)
def test_a_wrong_line_is_named(text: str, message: str) -> None:
    with pytest.raises(VariableError) as caught:
        parse_env_file(text, SET, lambda _: None)
    assert caught.value.message == message


@given(st.text(alphabet="${}:-?+ \"'\\#=\nAX", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (interpolated, parse_env_file):
        try:
            read(text, SET, lambda _: None)
        except VariableError as error:
            assert error.message

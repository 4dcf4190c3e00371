"""Word expansion, beside the semantics that BuildKit and POSIX document, and beside a real shell."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.dockerfile.expansion import Lexer
from hermes.errors import DockerfileError
from tests.properties import examples

VARIABLES = {
    "a": "value",
    "empty": "",
    "path": "/usr/local/bin/tool.tar.gz",
    "words": "one  two",
    "name.with": "no",
    "ähm": "umlaut",
}
CASES = [
    ("plain", "plain"),
    ("$a", "value"),
    ("${a}", "value"),
    ("$a$a", "valuevalue"),
    ("$ab", ""),
    ("${a}b", "valueb"),
    ("$a.b", "value.b"),
    ("$", "$"),
    ("a$", "a$"),
    ("$.", "$."),
    ("$1a", "a"),
    ("$ähm", "umlaut"),
    ("\\$a", "$a"),
    ("\\\\$a", "\\value"),
    ("\\a", "a"),
    ("'$a'", "$a"),
    ('"$a"', "value"),
    ('"\\$a"', "$a"),
    ('"\\a"', "\\a"),
    ('"\\""', '"'),
    ("'\\'", "\\"),
    ("\"'$a'\"", "'value'"),
    ("a'b'\"c\"", "abc"),
    ("${a:-d}", "value"),
    ("${empty:-d}", "d"),
    ("${empty-d}", ""),
    ("${unset:-d}", "d"),
    ("${unset-d}", "d"),
    ("${unset:-}", ""),
    ("${unset:-$a}", "value"),
    ("${unset:-${other:-x}}", "x"),
    ("${unset:-'a b'}", "a b"),
    ("${a:+d}", "d"),
    ("${empty:+d}", ""),
    ("${empty+d}", "d"),
    ("${unset+d}", ""),
    ("${a:?no}", "value"),
    ("${a?no}", "value"),
    ("${empty?no}", ""),
    ("${path#*/}", "usr/local/bin/tool.tar.gz"),
    ("${path##*/}", "tool.tar.gz"),
    ("${path%.*}", "/usr/local/bin/tool.tar"),
    ("${path%%.*}", "/usr/local/bin/tool"),
    ("${path#/usr}", "/local/bin/tool.tar.gz"),
    ("${path#usr}", "/usr/local/bin/tool.tar.gz"),
    ("${path%?gz}", "/usr/local/bin/tool.tar"),
    ("${path/local/x}", "/usr/x/bin/tool.tar.gz"),
    ("${path/l/x}", "/usr/xocal/bin/tool.tar.gz"),
    ("${path//l/x}", "/usr/xocax/bin/toox.tar.gz"),
    ("${path/nothing/x}", "/usr/local/bin/tool.tar.gz"),
    ("${path//t*r/}", "/usr/local/bin/.gz"),
    ("${path/\\//x}", "xusr/local/bin/tool.tar.gz"),
    ("${path//./$a}", "/usr/local/bin/toolvaluetarvaluegz"),
    ("${unset/a/b}", ""),
    ("${unset#a}", ""),
]
WRONG = [
    ("${", "no closing }"),
    ("${a", "no substitution"),
    ("${a:-b", "no closing }"),
    ("${}", "names no variable"),
    ("${:-b}", "names no variable"),
    ("${a!b}", "no substitution"),
    ("${a:=b}", "no substitution"),
    ("${a/b}", "no second /"),
    ("${a/b/c", "no closing }"),
    ("${unset:?is needed}", "unset: is needed"),
    ("${unset?}", "unset: is not set"),
    ("${empty:?}", "empty: is empty"),
    ("'a", "single quote"),
    ('"a', "double quote"),
    ("${a#\\x}", "invalid escape"),
    ("${b:-" * 5000, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_word_becomes(text: str, expected: str) -> None:
    assert Lexer("\\").word(text, VARIABLES) == expected


@pytest.mark.parametrize(("text", "problem"), WRONG)
def test_a_word_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(DockerfileError, match=r".") as raised:
        Lexer("\\").word(text, VARIABLES)
    assert problem in raised.value.message


def test_the_escape_character_is_the_one_of_the_directive() -> None:
    assert Lexer("`").word("`$a \\$a c:\\x", VARIABLES) == "$a \\value c:\\x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", ["a", "b"]),
        ("  a  b ", ["a", "b"]),
        ("$words", ["one", "two"]),
        ('"$words"', ["one  two"]),
        ("x$words", ["xone", "two"]),
        ("a\\ b", ["a b"]),
        ("$empty", []),
        ("''", []),
    ],
)
def test_words_are_split_after_expansion(text: str, expected: list[str]) -> None:
    assert Lexer("\\").words(text, VARIABLES) == expected


def test_variables_that_are_not_set_are_told_of() -> None:
    lexer = Lexer("\\")
    lexer.word("$a $b ${c:-d} ${f#x} '$e'", VARIABLES)
    assert (lexer.unset, lexer.found) == ({"b", "c", "f"}, {"a"})


NAMES = st.sampled_from(["a", "empty", "unset", "path"])
WORDS = st.text(alphabet="alr./-", max_size=3)
PATTERNS = st.text(alphabet="alr./*?", max_size=3)
PIECES = st.one_of(
    WORDS,
    NAMES.map(lambda name: f"${{{name}}}"),
    st.builds(
        lambda name, kind, word: f"${{{name}{kind}{word}}}",
        NAMES,
        st.sampled_from([":-", "-", ":+", "+"]),
        WORDS,
    ),
    st.builds(
        lambda name, kind, word: f"${{{name}{kind}{word}}}",
        NAMES,
        st.sampled_from(["#", "##", "%", "%%"]),
        PATTERNS,
    ),
    st.builds(lambda word: f"'{word}'", WORDS),
    st.builds(lambda name, word: f'"{word}${name}"', NAMES, WORDS),
)


@examples(150)
@given(st.lists(PIECES, max_size=5))
def test_a_word_is_what_a_shell_makes_of_it(pieces: list[str]) -> None:
    shell = shutil.which("dash")
    if not shell:
        pytest.skip("dash is not installed")
    text = "".join(pieces)
    script = f'printf %s "x"{text}'
    env = {name: value for name, value in VARIABLES.items() if name.isascii() and name.isalpha()}
    done = subprocess.run(
        [shell, "-fc", script], env={**env, "IFS": ""}, capture_output=True, text=True, check=True
    )
    assert "x" + Lexer("\\").word(text, VARIABLES) == done.stdout

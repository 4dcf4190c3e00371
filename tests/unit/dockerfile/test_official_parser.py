"""The parser beside the official one: the same instructions, values, flags and lines, on generated Dockerfiles.

Two differences are on purpose: the official parser takes flags apart byte by byte, so characters outside of ASCII come
out of it as two or more others; here they stay what they are. And the one that has wheels drops words after a JSON list,
which BuildKit has not done since; `as_it_was` reads lists that way.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermes.dockerfile import words
from hermes.dockerfile.lines import Line, Lines, read, split
from hermes.dockerfile.source import SPACES
from hermes.errors import DockerfileError
from tests.properties import examples

if importlib.util.find_spec("dockerfile") is None:
    pytest.skip("the official parser has wheels for x86-64 alone", allow_module_level=True)

_OFFICIAL: Final = """
import dockerfile, json, sys

for line in sys.stdin:
    try:
        rows = [one._asdict() for one in dockerfile.parse_string(json.loads(line))]
    except dockerfile.GoParseError:
        rows = None
    print(json.dumps(rows), flush=True)
"""


class OfficialParseError(Exception):
    """What the official parser refuses."""


Parse = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def official() -> Iterator[Parse]:
    """Return the official parser, in a process of its own: Go's runtime has threads and signal handlers, and tests fork."""
    with subprocess.Popen(
        [sys.executable, "-c", _OFFICIAL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        write, read_row = process.stdin, process.stdout

        def parsed(text: str) -> list[dict[str, Any]]:
            write.write(json.dumps(text) + "\n")
            write.flush()
            rows = json.loads(read_row.readline())
            if rows is None:
                raise OfficialParseError
            return list(rows)

        yield parsed


LIST = ("ADD", "COPY", "VOLUME")
MAYBE_JSON = ("RUN", "CMD", "ENTRYPOINT", "SHELL")
KEYWORDS = [
    *(*LIST, *MAYBE_JSON, "FROM", "EXPOSE", "ENV", "LABEL", "ARG", "USER", "WORKDIR"),
    *("STOPSIGNAL", "MAINTAINER", "HEALTHCHECK", "ONBUILD"),
]


exact = words.json_list


def as_it_was(text: str) -> list[str] | None:
    found = exact(text)
    if found is None and (start := text.lstrip(SPACES)).startswith("["):
        try:
            _, end = json.JSONDecoder().raw_decode(start)
        except (ValueError, RecursionError):
            return None
        return exact(start[:end])
    return found


@contextmanager
def lists_as_they_were() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "json_list", as_it_was)
        yield


def values(keyword: str, rest: str, escape: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the values are an exec form, and what they are."""
    keyword = keyword.upper()
    if keyword not in KEYWORDS:
        return False, ("",)  # an unknown instruction is an error of what comes after the parser
    if keyword in (*LIST, *MAYBE_JSON) and (found := words.json_list(rest)) is not None:
        return True, tuple(found)
    if keyword in (*LIST, "FROM", "EXPOSE"):
        return False, tuple(words.delimited(rest))
    if keyword in ("ENV", "LABEL"):
        return False, tuple(text for pair in words.pairs(rest, escape, keyword) for text in pair[:2])
    if keyword == "ARG":
        return False, tuple(words.quoted_words(rest, escape))
    if keyword == "HEALTHCHECK":
        kind, *more = rest.split(None, 1) or [""]
        found = words.json_list(more[0]) if more else None
        return found is not None, tuple(one for one in (kind, *(more if found is None else found)) if one)
    return False, (rest,) if rest else ()


def ours(text: str) -> list[tuple[object, ...]]:
    lines = read("Dockerfile", text)
    return [_row(line, lines) for line in lines.lines]


def _row(line: Line, lines: Lines) -> tuple[object, ...]:
    place = (line.span.first, line.span.last)
    if line.keyword.upper() == "ONBUILD" and line.rest:
        keyword, _, rest = split(line.rest)
        found = values(keyword, rest, lines.escape)
        return line.keyword, keyword, *found, line.flags, *place, line.original
    found = values(line.keyword, line.rest, lines.escape)
    return line.keyword, None, *found, line.flags, *place, line.original


def theirs(official: Parse, text: str) -> list[tuple[object, ...]]:
    return [
        (
            one["cmd"] or "",  # None for a backslash alone at the end
            one["sub_cmd"],
            one["json"],
            tuple(one["value"]),
            tuple(flag.encode("latin-1").decode() for flag in one["flags"]),
            one["start_line"],
            one["end_line"],
            (one["original"] or "").partition("\n")[0],  # what follows is the text of heredocs
        )
        for one in official(text)
    ]


def outcome(parse: Callable[[str], object], text: str) -> object:
    try:
        return parse(text)
    except (OfficialParseError, DockerfileError):
        return "error"


WORD = st.text(alphabet="ab$\\`'\"=#-/.{}:é<", min_size=1, max_size=6)
PLAIN = st.text(alphabet="abz/._", min_size=1, max_size=6)
SPACE = st.sampled_from(
    [" ", "  ", "\t", " \\\n", " \\\n  ", "\\\n", " \\\n# note\n", " \\\n\n", " \\ \t\n", "`\n"]
)
JSON = st.sampled_from(
    [
        '["a"]',
        '["a", "b c"]',
        "[]",
        '["a",]',
        '["a" "b"]',
        '[ "a\\n\\u00e9" ]',
        '["a"] b',
        "['a']",
        '["a", 1]',
        "[[]]",
    ]
)
FLAG = st.sampled_from(
    ["--a=b", "--mount=type=bind,target=/x", '--c="d e"', "--d", "--", "--e='f", "--chown=1:2", "--g=\\ h"]
)
HEREDOC = st.sampled_from(
    ["<<E", "<<-E", '<<"E"', "<<-'E'", "3<<E", "<<E <<F", "x<<E", "<<", "<<<E", "<< E", "<<E>f", "<<\\E"]
)
BODY = st.sampled_from(
    ["text\nE\n", "\tE\n", "\ta\n\tE\nF\n", "E\nF\n", "", "FROM x\nE\n", "E \nE\n", "E\r\n"]
)
ARGUMENT = st.one_of(WORD, PLAIN, PLAIN, JSON, HEREDOC)


@st.composite
def instructions(draw: st.DrawFn) -> str:
    keyword = draw(st.sampled_from(KEYWORDS))
    if draw(st.integers(0, 5)) == 0:
        keyword = keyword.lower()
    parts = [keyword]
    if keyword.upper() == "ONBUILD":
        parts += [" ", draw(st.sampled_from([one for one in KEYWORDS if one != "ONBUILD"]))]
    for flag in draw(st.lists(FLAG, max_size=2)) if draw(st.booleans()) else ():
        parts += [draw(SPACE), flag]
    for word in draw(st.lists(ARGUMENT, max_size=4)):
        parts += [draw(SPACE), word]
    line = (
        draw(st.sampled_from(["", "  ", "\t"]))
        + "".join(parts)
        + draw(st.sampled_from(["\n", "\r\n", " \n"]))
    )
    return line + (draw(BODY) if "<<" in line else "")


@st.composite
def dockerfiles(draw: st.DrawFn) -> str:
    top = draw(
        st.sampled_from(
            [
                "",
                "# escape=`\n",
                "#syntax = a/b:1\n",
                "# note\n# escape=`\n",
                "\n",
                "#x=y\n# check=skip=all\n",
            ]
        )
    )
    between = st.sampled_from(["", "\n", "# note\n", "  # note\n", " \t\n", "#\\\n"])
    rows = draw(st.lists(st.tuples(between, instructions()), min_size=1, max_size=5))
    text = top + "".join(one + row for one, row in rows)
    return text if draw(st.booleans()) else text.rstrip("\n")


@examples(600)
@given(dockerfiles())
@example("RUN <<E\na\nE")
@example("add\n\\")
@example("# escape=`\nRUN a `\n b\\\nENV a=b\\ c d\n")
@example("FROM a\r\nRUN b \\\r\n c\r\n")
def test_the_official_parser_sees_the_same(official: Parse, text: str) -> None:
    with lists_as_they_were():
        expected, found = outcome(partial(theirs, official), text), outcome(ours, text)
    assert found == expected


@examples(300)
@given(st.sampled_from(["RUN ", "COPY x "]), st.lists(HEREDOC, min_size=1, max_size=2), BODY, BODY)
def test_heredocs_are_those_of_the_official_parser(
    official: Parse, start: str, marks: list[str], first: str, second: str
) -> None:
    text = start + " ".join(marks) + "\n" + first + second

    def of_ours(text: str) -> object:
        return [(one.name, one.content) for one in read("D", text).lines[0].heredocs]

    def of_theirs(text: str) -> object:
        return [(name, content) for name, _, content in official(text)[0]["heredocs"]]

    assert outcome(of_ours, text) == outcome(of_theirs, text)

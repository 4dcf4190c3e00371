"""What options and files of Source-to-Image mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.errors import UsageError
from hermes.s2i.artifacts import Mapped, mappings
from hermes.s2i.facts import Facts
from hermes.s2i.source import variables
from hermes.s2i.users import Range, owner_of, ranges


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1-", [Range(1)]),
        ("-100", [Range(0, 100)]),
        ("7", [Range(7, 7)]),
        ("1-5, 8-", [Range(1, 5), Range(8)]),
    ],
)
def test_ranges_of_users_are_read(text: str, found: list[Range]) -> None:
    assert ranges(text) == found


@pytest.mark.parametrize("text", ["", "-", "a", "5-1", "1-2-3", "1,,2", "--1", "1.5"])
def test_what_is_not_a_range_of_users_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a range of user ids"):
        ranges(text)


@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_a_range_has_the_numbers_between_its_ends(first: int, last: int, number: int) -> None:
    first, last = sorted((first, last))
    assert (number in ranges(f"{first}-{last}")[0]) == (first <= number <= last)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/tmp/app.war", [Mapped("/tmp/app.war", ".")]),
        ("/tmp/app.war:.", [Mapped("/tmp/app.war", ".")]),
        ("/tmp/app.war:app/dist", [Mapped("/tmp/app.war", "app/dist")]),
        ("/opt/data/", [Mapped("/opt/data", ".")]),
        ("/a:x;/b", [Mapped("/a", "x"), Mapped("/b", ".")]),
        ('"/a b":x', [Mapped("/a b", "x")]),
    ],
)
def test_artifacts_are_read_as_the_documents_of_s2i_say(text: str, found: list[Mapped]) -> None:
    assert mappings(text, of="it") == found


@pytest.mark.parametrize(
    "text", ["/opt/data/*.jar", "app.war", "/a:/b", "/a:../b", "", ":x", "/", "/a;", "/a$b"]
)
def test_artifacts_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^it: "):
        mappings(text, of="it")


def test_variables_of_a_file_are_read_and_other_lines_told() -> None:
    said: list[str] = []
    text = "# a\n// b\n A = b=c \n\nEMPTY=\nnone\n=x\n"
    assert list(variables(text, of="env", warn=said.append)) == [("A", "b=c"), ("EMPTY", "")]
    assert [one.partition(": ")[0] for one in said] == ["env:6", "env:7"]


@pytest.mark.parametrize(
    ("config", "url", "destination", "user"),
    [
        ({}, "", "/tmp", ""),
        (
            {"Labels": {"io.s2i.scripts-url": "image:///a", "io.s2i.destination": "/d"}},
            "image:///a",
            "/d",
            "",
        ),
        ({"Env": ["STI_SCRIPTS_URL=http://h/s", "STI_LOCATION=/l"], "User": "5"}, "http://h/s", "/l", "5"),
        (
            {
                "Labels": {
                    "io.openshift.s2i.scripts-url": "image:///b",
                    "io.s2i.scripts-url": "image:///a",
                    "io.openshift.s2i.assemble-user": "7",
                },
                "User": "5",
            },
            "image:///b",
            "/tmp",
            "7",
        ),
    ],
)
def test_labels_say_where_scripts_are(
    config: dict[str, object], url: str, destination: str, user: str
) -> None:
    facts = Facts("it", config)
    assert (facts.scripts_url, facts.destination, facts.assemble_user) == (url, destination, user)


@pytest.mark.parametrize(
    ("user", "owner"),
    [("", ""), ("root", ""), ("0", ""), ("1001", "1001:0"), ("web", "web:0"), ("5:6", "5:6")],
)
def test_what_is_put_into_a_builder_belongs_to_who_assembles(user: str, owner: str) -> None:
    assert owner_of(user) == owner

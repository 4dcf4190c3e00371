"""Versions and relations, as Debian orders and writes them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from debian.debian_support import Version
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes.debian.relation import parse_clauses, parse_relations, show_clause
from hermes.debian.version import compare_versions, satisfies
from hermes.errors import LockError
from tests.properties import examples

ORDERED = [
    "1.0~~",
    "1.0~~a",
    "1.0~",
    "1.0",
    "1.0-1",
    "1.0-1+b1",
    "1.0a",
    "1.0+dfsg-1",
    "1.0.1",
    "1.9",
    "1.10",
    "2",
    "10",
    "1:0.1",
    "1:0.2-1",
    "2:0",
]
TEXT = st.from_regex(r"\A([0-9]:)?[0-9][0-9a-z.+~]{0,6}(-[0-9a-z.+~]{1,4})?\Z")


def test_numbers_of_thousands_of_digits_are_ordered() -> None:
    """As dpkg does, which compares digits: a mirror may say anything."""
    nines, zeros = "9" * 5000, "0" * 5000
    assert compare_versions(f"1.{nines}", f"1.1{zeros}") == -1
    assert compare_versions(f"1.{zeros}7", "1.7") == 0
    assert compare_versions(f"{nines}:1", "2:1") == 1


def test_versions_are_ordered() -> None:
    for number, one in enumerate(ORDERED):
        for other in ORDERED[number + 1 :]:
            assert compare_versions(one, other) == -compare_versions(other, one) == -1, (one, other)


@examples(400)
@given(TEXT, TEXT)
def test_the_order_is_that_of_another_implementation(one: str, other: str) -> None:
    left, right = Version(one), Version(other)
    assert compare_versions(one, other) == (left > right) - (left < right)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
@settings(max_examples=40, deadline=None)
@given(TEXT, TEXT, st.sampled_from([("<<", "lt"), ("<=", "le"), ("=", "eq"), (">=", "ge"), (">>", "gt")]))
def test_relations_hold_where_dpkg_says_so(one: str, other: str, operator: tuple[str, str]) -> None:
    said = (
        subprocess.run(["dpkg", "--compare-versions", one, operator[1], other], check=False).returncode == 0
    )
    assert satisfies(one, operator[0], other) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", ["a"]),
        ("a (>= 1.0), b | c (<< 2) | d:any", ["a (>= 1.0)", "b | c (<< 2) | d:any"]),
        ("a(>=1)", ["a (>= 1)"]),
        ("a (> 1)", ["a (>= 1)"]),
        ("a (1.0)", ["a (= 1.0)"]),
        ("a [!hurd-any amd64] <!nocheck>", ["a [!hurd-any amd64]"]),
        ("", []),
    ],
)
def test_a_field_is_parsed(text: str, shown: list[str]) -> None:
    assert [show_clause(clause) for clause in parse_clauses(text)] == shown


@pytest.mark.parametrize("text", ["a b", "a ()", "a (>= )", "(>= 1)", "a (>= 1", "a |"])
def test_a_malformed_field_is_refused(text: str) -> None:
    with pytest.raises(LockError):
        parse_clauses(text)


def test_architectures_restrict() -> None:
    some, none_of, any_of = (
        parse_relations(text)[0] for text in ("a [amd64 i386]", "a [!amd64]", "a [linux-any]")
    )
    assert [one.applies_to("amd64") for one in (some, none_of, any_of)] == [True, False, True]
    assert [one.applies_to("arm64") for one in (some, none_of, any_of)] == [False, True, True]

"""Choosing packages from a small archive, and from any archive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.debian.packages import Package
from hermes.debian.relation import parse_clauses, parse_relations
from hermes.debian.resolve import resolve
from hermes.debian.universe import Universe, answers, provided
from hermes.errors import LockError
from tests.properties import examples


def package(text: str, **fields: object) -> Package:
    """Return a package from ``name version``."""
    name, version = text.split()
    return Package(name, version, "amd64", f"pool/{name}_{version}.deb", 1, "0" * 64, **fields)  # type: ignore[arg-type]


ARCHIVE = [
    package("app 1", depends="lib (>= 2), shell | busybox"),
    package("lib 1"),
    package("lib 2", pre_depends="base"),
    package("lib 3", pre_depends="base", breaks="app (<< 1)"),
    package("base 1", essential=True),
    package("shell 1", depends="awk"),
    package("busybox 1"),
    package("mawk 1", provides="awk", priority="required"),
    package("gawk 1", provides="awk (= 5)"),
    package("old 1", depends="lib (<< 2)"),
    package("needs-old 1", depends="old | busybox"),
    package("clash 1", conflicts="busybox"),
    package("wants 1", recommends="gawk, missing"),
    package("broken 1", depends="app, nowhere (>= 2)"),
    package("twins 1", depends="clash, busybox"),
    package("versioned 1", depends="awk (>= 4)"),
    package("loop-a 1", depends="loop-b"),
    package("loop-b 1", depends="loop-a"),
    package("tight 1", depends="x, y"),
    package("x 2", depends="z (= 2)"),
    package("x 1", depends="z (= 1)"),
    package("y 1", depends="z (= 1)"),
    package("z 1"),
    package("z 2"),
    package("small-32 1", conflicts="small-x32:i386, small-64:any"),
    package("small-x32 1", conflicts="small-32:x32"),
    package("small-64 1"),
    package("self 1", provides="mta", conflicts="mta"),
]


def chosen(*requested: str, **options: object) -> list[str]:
    found = resolve(Universe(ARCHIVE, "amd64"), requested, **options)  # type: ignore[arg-type]
    return [str(one) for one in found]


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("lib", "base 1, lib 3"),
        ("lib=2", "base 1, lib 2"),
        ("lib=*", "base 1, lib 3"),
        ("lib=[12]", "base 1, lib 2"),
        ("lib=2*", "base 1, lib 2"),
        ("lib=?", "base 1, lib 3"),
        ("app", "app 1, base 1, lib 3, mawk 1, shell 1"),
        ("app busybox", "app 1, base 1, busybox 1, lib 3"),
        ("shell gawk", "gawk 1, shell 1"),
        ("versioned", "gawk 1, versioned 1"),
        ("old", "lib 1, old 1"),
        ("lib=3 needs-old", "base 1, busybox 1, lib 3, needs-old 1"),
        ("loop-a", "loop-a 1, loop-b 1"),
        ("tight", "tight 1, x 1, y 1, z 1"),
        ("self", "self 1"),
        ("small-32 small-x32", "small-32 1, small-x32 1"),
        ("wants", "wants 1"),
    ],
)
def test_what_is_chosen(requested: str, expected: str) -> None:
    assert chosen(*requested.split()) == expected.split(", ")
    assert chosen(*requested.split()[::-1]) == expected.split(", ")


def test_options() -> None:
    assert chosen("wants", recommends=True) == ["gawk 1", "wants 1"]
    assert chosen("busybox", essential=True) == ["base 1", "busybox 1"]
    assert chosen("app", exclude=["lib", "shell"]) == ["app 1"]


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ("ap", "has no package ap for amd64"),
        ("lib=9", r"the lock asks for lib \(= 9\): the archive has lib 3, lib 2, lib 1"),
        ("broken", r"broken 1 needs nowhere \(>= 2\): the archive has no package of that name"),
        ("twins", "cannot be there together with"),
        ("small-32 small-64", "cannot be there together with"),
        ("awk", "awk is provided by several packages: mawk, gawk"),
        ("lib:arm64", "cannot say an architecture"),
        ("lib=3 old", r"old 1 needs lib \(<< 2\)(.|\n)*because the lock asks for old"),
    ],
)
def test_what_cannot_be_had_is_explained(requested: str, message: str) -> None:
    with pytest.raises(LockError, match=message):
        chosen(*requested.split())


NAMES = [f"p{number}" for number in range(7)]
CLAUSE = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(" | ".join)
FIELD = st.lists(CLAUSE, max_size=2).map(", ".join)
ARCHIVES = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(["1", "2"]),
        FIELD,
        st.lists(st.sampled_from(NAMES), max_size=1),
    ),
    min_size=3,
    max_size=12,
    unique_by=lambda row: row[:2],
)


def is_solution(packages: list[Package], requested: list[str]) -> bool:
    def has(relation: object) -> bool:
        return any(
            answers(given, relation)
            for one in packages
            for given in (*provided(one), *parse_relations(f"{one.name} (= {one.version})"))  # type: ignore[arg-type]
        )

    names = [one.name for one in packages]
    if len(set(names)) < len(names) or not set(requested) <= set(names):
        return False
    for one in packages:
        if not all(any(map(has, clause)) for clause in parse_clauses(one.depends)):
            return False
        if any(
            relation.name in names and relation.name != one.name
            for relation in parse_relations(one.conflicts)
        ):
            return False
    return True


@examples(200)
@given(ARCHIVES, st.lists(st.sampled_from(NAMES), min_size=1, max_size=2))
def test_a_result_meets_every_need_and_a_refusal_is_right(
    rows: list[tuple[str, str, str, list[str]]], requested: list[str]
) -> None:
    archive = [
        package(f"{name} {version}", depends=depends, conflicts=", ".join(conflicts))
        for name, version, depends, conflicts in rows
    ]
    try:
        found = resolve(Universe(archive, "amd64"), requested)
    except LockError:
        subsets = (
            [one for number, one in enumerate(archive) if mask >> number & 1]
            for mask in range(1 << len(archive))
        )
        assert not any(is_solution(subset, requested) for subset in subsets)
    else:
        assert is_solution(list(found), requested)


def test_a_pattern_of_versions_that_matches_none_is_told() -> None:
    with pytest.raises(LockError, match=r"no version of lib matches 4\*") as caught:
        chosen("lib=4*")
    assert caught.value.hint == "the archive has 3, 2, 1"

"""One layer made of neighbours does to what is below them what they do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.layer.canonical import canonical
from hermes.layer.entry import DIRECTORY, FILE, Entry, opaque, whiteout
from hermes.layer.merge import merge
from hermes.layer.toc import TableOfContents
from hermes.layer.view import View
from tests.unit.layer.test_flatten import ROWS, applied, table


def merged(tables: list[TableOfContents], below: list[TableOfContents]) -> TableOfContents:
    items = [(one.entry, None) for one in merge(tables, View(below), 7)]
    return TableOfContents(Digest.of(b""), 0, [entry for entry, _ in canonical(items, name="test")])


def files(tables: list[TableOfContents]) -> dict[str, str]:
    return {path: kind for path, kind in applied(tables).items() if kind != "folder"}


def layer(*entries: Entry) -> TableOfContents:
    return TableOfContents(Digest.of(b""), 0, entries)


def file(path: str) -> Entry:
    return Entry(path, FILE, 0o644)


def folder(path: str) -> Entry:
    return Entry(path, DIRECTORY, 0o755)


@given(st.lists(ROWS, max_size=2), st.lists(ROWS, min_size=1, max_size=4))
def test_the_same_is_left(below: list[list[tuple[str, str]]], own: list[list[tuple[str, str]]]) -> None:
    lower = [table(number, rows) for number, rows in enumerate(below)]
    upper = [table(number + 10, rows) for number, rows in enumerate(own)]
    one = merged(upper, lower)
    assert files([*lower, one]) == files([*lower, *upper])
    paths = [entry.path for entry in one.entries]
    assert len(paths) == len(set(paths))


def test_what_was_never_below_leaves_no_whiteout() -> None:
    own = [layer(file("made"), folder("a"), file("a/b")), layer(whiteout("made"), whiteout("a"))]
    assert merged(own, [layer(file("other"))]).entries == []


def test_a_folder_that_was_made_anew_hides_what_it_held() -> None:
    own = [layer(whiteout("a")), layer(folder("a"), file("a/new"))]
    below = [layer(folder("a"), file("a/old"))]
    assert merged(own, below).entries == [folder("a"), opaque("a", 7), file("a/new")]
    assert merged(own, [layer(file("a"))]).entries == [folder("a"), file("a/new")]


def test_a_file_that_was_a_folder_in_between_is_gone() -> None:
    own = [layer(file("a/b/c")), layer(whiteout("a/b/c"))]
    passed = folder("a")._replace(mtime=7, passed=True)
    assert merged(own, [layer(file("a/b"))]).entries == [passed, whiteout("a/b", 7)]
    assert merged(own, [layer(folder("a/b"))]).entries == []


def test_whiteouts_stay_where_they_hide_something() -> None:
    own = [layer(whiteout("a/b"), file("c")), layer(whiteout("a"), whiteout("c"))]
    assert merged(own, [layer(folder("a"), file("a/b"), file("c"))]).entries == [
        whiteout("a", 7),
        whiteout("c", 7),
    ]


def test_a_file_in_the_place_of_a_folder_hides_all_of_it() -> None:
    """So that a folder that comes there later shows nothing of the lower one."""
    own = [layer(file("a")), layer(whiteout("a")), layer(folder("a"), file("a/new"))]
    assert merged(own, [layer(folder("a"), file("a/old"))]).entries == [
        folder("a"),
        opaque("a", 7),
        file("a/new"),
    ]
    own = [layer(file("a")), layer(folder("a"), file("a/new"))]
    assert merged(own, [layer(folder("a"), file("a/old"))]).entries == [
        folder("a"),
        opaque("a", 7),
        file("a/new"),
    ]

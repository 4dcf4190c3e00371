"""Layers that have nothing to do with each other are seen as by their tables of contents."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.errors import BuildError
from hermes.layer import toc
from hermes.layer.apart import Apart
from hermes.layer.conflicts import conflicts
from hermes.layer.entry import CHARACTER, DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, opaque, parents, whiteout
from hermes.layer.folders import Folders, missing_entries
from hermes.layer.outline import Outline, outline
from hermes.layer.toc import TableOfContents
from hermes.layer.view import Paths, View
from hermes.store import Store

PATHS = ("a", "a/b", "a/b/c", "b", "b/c", "b/a/b", "c", "")
NAMES = st.sampled_from(PATHS[:-1])


def table(*entries: Entry) -> TableOfContents:
    return TableOfContents(
        Digest.of(repr(entries).encode()), 0, sorted(entries, key=lambda one: one.sort_key)
    )


def folder(path: str, mode: int) -> Entry:
    return Entry(path, DIRECTORY, mode)


ENTRIES = st.one_of(
    st.builds(folder, st.sampled_from(PATHS), st.sampled_from([0o755, 0o700])),
    st.builds(lambda path: folder(path, 0o755)._replace(passed=True), NAMES),
    st.builds(lambda path, size: Entry(path, FILE, 0o644, size=size), NAMES, st.integers(0, 2)),
    st.builds(lambda path, link: Entry(path, SYMLINK, 0o777, link=link), NAMES, NAMES),
    st.builds(lambda path, link: Entry(path, HARDLINK, 0o644, link=link), NAMES, NAMES),
    st.builds(lambda path: Entry(path, CHARACTER, 0o644), NAMES),
    st.builds(whiteout, NAMES),
    st.builds(opaque, st.sampled_from(PATHS)),
)
TABLES = st.lists(ENTRIES, max_size=3, unique_by=lambda one: one.path).map(lambda found: table(*found))
STACKS = st.lists(TABLES, min_size=1, max_size=4)


def seen(root: Paths, path: str) -> object:
    """What programs are told of a path."""
    try:
        real = root.resolve(path)
    except BuildError:
        return "a loop"
    found = root.origin(real)
    if found is None:
        return real, root.exists(real), root.names(real)
    entry = found.entry
    number = found.layer if entry.type != DIRECTORY else None
    return real, number, entry.type, entry.link, min(entry.size, 1), root.names(real)


@given(STACKS)
def test_layers_apart_are_seen_as_they_are(stack: list[TableOfContents]) -> None:
    apart = Apart.of([Outline.of(one) for one in stack])
    if apart is None:
        return
    view = View(stack)
    for path in PATHS:
        assert seen(apart, path) == seen(view, path)
    assert list(conflicts(stack, {})) == []
    for complete in (True, False):
        expected = missing_entries([Folders.of(one) for one in stack], complete=complete)
        assert missing_entries(apart.folders(), complete=complete) == expected


@pytest.mark.parametrize(
    ("lower", "upper", "is_apart"),
    [
        ([Entry("a", FILE, 0o644)], [Entry("b", FILE, 0o644)], True),
        ([folder("a", 0o700)], [folder("a", 0o700), Entry("a/b", FILE, 0o644)], True),
        ([folder("a", 0o700)], [folder("a", 0o755)], False),
        ([folder("a", 0o700)], [Entry("a/b", FILE, 0o644)], True),
        ([Entry("a", FILE, 0o644)], [Entry("a", FILE, 0o644)], False),
        ([Entry("a", SYMLINK, 0o777, link="b")], [Entry("a/x", FILE, 0o644)], False),
        ([Entry("a/x", FILE, 0o644)], [Entry("a", SYMLINK, 0o777, link="b")], False),
        ([Entry("a", FILE, 0o644)], [whiteout("x")], False),
        ([Entry("a/b", FILE, 0o644)], [opaque("")], False),
        ([Entry("a", FILE, 0o644), Entry("a/b", FILE, 0o644)], [], False),
    ],
)
def test_what_is_apart(lower: list[Entry], upper: list[Entry], is_apart: bool) -> None:
    for stack in ((lower, upper), (upper, lower)):
        found = Apart.of([Outline.of(table(*entries)) for entries in stack])
        assert (found is not None) == is_apart


def many(*more: Entry) -> TableOfContents:
    """A layer whose table of contents is large enough for an outline in a file."""
    files = [Entry(f"usr/lib/caf\udce9/{number:05}", FILE, 0o644, size=1) for number in range(1500)]
    links = [Entry("bin", SYMLINK, 0o777, link="usr/bin"), Entry("lib", SYMLINK, 0o777, link="usr/lib")]
    return table(folder("", 0o755), folder("usr", 0o700), *links, *files, *more)


@pytest.mark.parametrize("more", [(), (whiteout("gone"),)])
def test_an_outline_is_kept_in_the_store(store: Store, more: tuple[Entry, ...]) -> None:
    expected = many(*more)
    toc.save(store, expected)
    path = Path(f"{store.toc_path(expected.diff_id)}.outline")
    made = outline(store, expected.diff_id)
    assert made == Outline.of(expected)
    whole = path.read_bytes()
    assert outline(store, expected.diff_id) == made
    for damage in (b"", whole[:-1], whole.replace(b"[1,", b"[2,"), b"0" * 64 + whole[64:]):
        path.write_bytes(damage)
        assert outline(store, expected.diff_id) == made
        assert path.read_bytes() == whole


def test_a_change_of_a_file_is_none_of_an_outline(store: Store) -> None:
    first, second = (
        Outline.of(many(Entry("x/y", FILE, 0o644, size=size, digest=str(size)))) for size in (1, 2)
    )
    assert first == second
    more = Outline.of(many(Entry("x/z", FILE, 0o644)))
    assert more is not None
    assert first is not None
    assert more.folders == first.folders
    assert more != first
    assert all(above in first.found for path in first.found for above in parents(path))

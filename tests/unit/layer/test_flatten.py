"""One layer made of many leaves what they leave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermes.digest import Digest
from hermes.errors import LayerError
from hermes.layer.canonical import canonical
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, opaque, parents, whiteout
from hermes.layer.flatten import flatten
from hermes.layer.folders import Folders, missing_entries
from hermes.layer.toc import TableOfContents

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
ROWS = st.lists(st.tuples(st.sampled_from(["file", "folder", "gone", "empty", "link"]), PATHS), max_size=6)


def table(number: int, rows: list[tuple[str, str]]) -> TableOfContents:
    """A layer that a tool could have written: nothing below what is no folder, links to files of its own."""
    made: dict[str, Entry] = {}
    hidden: dict[str, Entry] = {}
    for kind, path in rows:
        above = [made[one] for one in parents(path) if one in made]
        if any(one.type != DIRECTORY for one in above) or path in made:
            continue
        below = any(one.startswith(f"{path}/") for one in made)
        files = [one.path for one in made.values() if one.type == FILE]
        if kind == "folder":
            made[path] = Entry(path, DIRECTORY, 0o755, uid=number)
        elif kind == "gone" and not below:
            hidden[path] = whiteout(path)
        elif kind == "empty":
            made.setdefault(path, Entry(path, DIRECTORY, 0o700, uid=number))
            hidden[f"{path}/"] = opaque(path)
        elif kind == "file" and not below:
            made[path] = Entry(path, FILE, 0o644, uid=number, size=1, digest=f"{number}{path}")
        elif kind == "link" and not below and files:
            made[path] = Entry(path, HARDLINK, 0o644, link=files[0])
    for path in list(hidden):
        folders = [made[one] for one in parents(path.rstrip("/")) if one in made]
        if (
            any(one.type != DIRECTORY for one in folders)
            or path in made
            or any(one.startswith(f"{path}/") for one in made if not path.endswith("/"))
        ):
            del hidden[path]
    items = canonical([(one, None) for one in (*made.values(), *hidden.values())], name="test")
    return TableOfContents(Digest.of(b""), 0, [entry for entry, _ in items])


def applied(tables: list[TableOfContents]) -> dict[str, str]:
    """Path by path, what a plain reading of the specification leaves: kinds, and the content of files."""
    found: dict[str, str] = {}

    def remove(path: str, *, itself: bool) -> None:
        for one in list(found):
            if one.startswith(f"{path}/") or (itself and one == path):
                del found[one]

    for one in tables:
        for entry in one.entries:
            if entry.is_whiteout:
                remove(entry.hidden, itself=not entry.is_opaque)
        contents = {entry.path: entry.digest for entry in one.entries}
        for entry in one.entries:
            if entry.is_whiteout:
                continue
            if entry.type != DIRECTORY:
                remove(entry.path, itself=True)
            for above in parents(entry.path):
                if found.get(above, "folder") != "folder":
                    del found[above]
            found[entry.path] = (
                "folder"
                if entry.type == DIRECTORY
                else contents[entry.link if entry.type == HARDLINK else entry.path]
            )
    return found


@given(st.lists(ROWS, max_size=4))
def test_the_same_is_left(layers: list[list[tuple[str, str]]]) -> None:
    tables = [table(number, rows) for number, rows in enumerate(layers)]
    flat = flatten(tables)
    left = {
        origin.entry.path: "folder" if origin.entry.type == DIRECTORY else origin.entry.digest
        for origin in flat
    }
    for origin in flat:
        if origin.entry.type == HARDLINK:
            left[origin.entry.path] = left[origin.entry.link]
    expected = applied(tables)
    assert {path: kind for path, kind in left.items() if kind != "folder"} == {
        path: kind for path, kind in expected.items() if kind != "folder"
    }
    assert not any(one.entry.is_whiteout for one in flat)
    canonical([(one.entry, None) for one in flat], name="test")


def test_a_file_survives_the_name_that_it_was_linked_to() -> None:
    lower = canonical(
        [(Entry("a", FILE, 0o644, size=1, digest="x"), None), (Entry("b", HARDLINK, 0o644, link="a"), None)],
        name="t",
    )
    tables = [
        TableOfContents(Digest.of(b""), 0, [entry for entry, _ in lower]),
        TableOfContents(Digest.of(b""), 0, [whiteout("a")]),
    ]
    [origin] = flatten(tables)
    assert (origin.entry.path, origin.entry.type, origin.entry.digest, origin.path) == ("b", FILE, "x", "a")


@pytest.mark.parametrize("target", ["a", "nothing", "folder"])
def test_a_hard_link_to_nothing_is_refused(target: str) -> None:
    entries = [Entry("a", HARDLINK, 0o644, link=target), Entry("folder", DIRECTORY, 0o755)]
    with pytest.raises(LayerError, match=f"'a' is a hard link to '{target}'"):
        flatten([TableOfContents(Digest.of(b""), 0, entries)])


def test_a_directory_that_is_passed_through_does_not_undo_a_change() -> None:
    changed = Entry("d", DIRECTORY, 0o700, uid=1)
    passed = Entry("d", DIRECTORY, 0o1777, passed=True)
    assert left([changed], [passed]) == [changed]
    assert left([passed], [changed]) == [changed]
    assert left([Entry("e", DIRECTORY, 0o755)], [passed]) == [passed, Entry("e", DIRECTORY, 0o755)]
    assert left([changed], [whiteout("d")], [passed]) == [passed]


def left(*layers: list[Entry]) -> list[Entry]:
    return [one.entry for one in flatten([TableOfContents(Digest.of(b""), 0, layer) for layer in layers])]


def stack(*layers: list[Entry]) -> list[TableOfContents]:
    return [TableOfContents(Digest.of(b""), 0, entries) for entries in layers]


LINKED = [
    Entry("lib", SYMLINK, 0o777, link="usr/lib"),
    Entry("usr", DIRECTORY, 0o755),
    Entry("usr/lib", DIRECTORY, 0o700),
    Entry("usr/lib/old", FILE, 0o644),
    Entry("usr/lib/sub", DIRECTORY, 0o755),
    Entry("usr/lib/sub/old", FILE, 0o644),
]


def test_what_a_layer_has_below_a_link_is_where_the_link_leads() -> None:
    """As umoci and vfs storages unpack it; see tests/interop/test_one_tree.py."""
    upper = [
        Entry("lib/b", FILE, 0o644),
        Entry("lib/c", HARDLINK, 0o644, link="lib/b"),
        whiteout("lib/old"),
        opaque("lib/sub"),
    ]
    found = flatten(stack(LINKED, upper))
    assert [(one.entry.path, one.layer, one.path) for one in found] == [
        ("lib", 0, "lib"),
        ("usr", 0, "usr"),
        ("usr/lib", 0, "usr/lib"),
        ("usr/lib/b", 1, "lib/b"),
        ("usr/lib/c", 1, "lib/b"),
        ("usr/lib/sub", 0, "usr/lib/sub"),
    ]
    assert missing_entries([Folders.of(one) for one in stack(LINKED, upper)]) == []


def test_a_layer_that_describes_a_folder_in_the_place_of_a_link_replaces_the_link() -> None:
    found = flatten(stack(LINKED, [Entry("lib", DIRECTORY, 0o755), Entry("lib/b", FILE, 0o644)]))
    assert [one.entry.path for one in found if one.layer == 1] == ["lib", "lib/b"]


def test_links_on_the_way_to_a_link_are_followed_too() -> None:
    lower = [Entry("a", SYMLINK, 0o777, link="b"), Entry("b", SYMLINK, 0o777, link="/c")]
    above = [Entry("c/d", SYMLINK, 0o777, link="../e")]
    paths = [one.entry.path for one in flatten(stack(lower, above, [Entry("a/d/f", FILE, 0o644)]))]
    assert paths == ["a", "b", "c/d", "e/f"]


def test_a_folder_replaces_a_link_also_where_an_archive_has_it_behind_its_content() -> None:
    upper = TableOfContents(Digest.of(b""), 0, [Entry("lib/b", FILE, 0o644), Entry("lib", DIRECTORY, 0o755)])
    found = flatten([*stack(LINKED), upper])
    assert {one.entry.path for one in found if one.layer == 1} == {"lib", "lib/b"}

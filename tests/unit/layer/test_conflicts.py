"""When two layers of an image do not agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.digest import Digest
from hermes.errors import LayerError
from hermes.layer.canonical import canonical
from hermes.layer.conflicts import Conflict, conflicts
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, opaque, whiteout
from hermes.layer.left import Left
from hermes.layer.toc import TableOfContents
from hermes.store.scratch import Scratch

NONE = Digest.of(b"")


def table(*entries: Entry) -> TableOfContents:
    return TableOfContents(NONE, 0, sorted(entries, key=lambda entry: entry.sort_key))


def file(path: str, digest: str = "1", mode: int = 0o644) -> Entry:
    return Entry(path, FILE, mode, size=1, digest=digest)


def folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, DIRECTORY, mode)


@pytest.mark.parametrize(
    ("lower", "upper", "path"),
    [
        (file("a"), file("a", "2"), "a"),
        (file("a"), file("a", mode=0o755), "a"),
        (file("a"), folder("a"), "a"),
        (folder("a"), folder("a", 0o700), "a"),
        (file("a"), whiteout("a"), "a"),
        (Entry("a", FILE, whiteout("a").mode), whiteout("a"), "a"),
        (whiteout("a"), Entry("a", FILE, whiteout("a").mode), "a"),
        (whiteout("a"), whiteout("a"), None),
        (file("d/a"), opaque("d"), "d"),
        (file("d/a"), whiteout("d"), "d"),
        (file("d/a"), file("d"), "d"),
        (file("e/a"), opaque("d"), None),
        (file("a"), file("a/b"), "a"),
        (Entry("bin", SYMLINK, 0o777, link="usr/bin"), file("bin/x"), "bin"),
        (file("a"), file("a"), None),
        (folder("a"), file("a/b"), None),
        (folder("a"), folder("a"), None),
        (file("a"), file("b"), None),
    ],
)
def test_what_is_a_conflict(lower: Entry, upper: Entry, path: str | None) -> None:
    found = list(conflicts([table(lower), table(upper)], {}))
    assert [one.path for one in found] == ([path] if path else [])
    assert list(conflicts([table(lower), table(upper)], {1: frozenset({0})})) == []


def test_a_conflict_names_both_layers_and_where_a_link_leads() -> None:
    lower = table(Entry("bin", SYMLINK, 0o777, link="usr/bin"))
    assert list(conflicts([lower, table(), table(file("bin/x"))], {})) == [
        Conflict("bin", 0, 2, "usr/bin", below=True)
    ]


def test_hard_links_point_at_the_first_name() -> None:
    items = [
        (file("c"), None),
        (Entry("a", HARDLINK, 0o644, link="c"), None),
        (Entry("b", HARDLINK, 0o644, link="c"), None),
    ]
    found = {entry.path: (entry.type, entry.link) for entry, _ in canonical(items, name="test")}
    assert found == {"a": (FILE, ""), "b": (HARDLINK, "a"), "c": (HARDLINK, "a")}


def test_a_replaced_file_leaves_its_content_to_its_other_names() -> None:
    items = [(file("a", "1"), None), (Entry("b", HARDLINK, 0o644, link="a"), None), (file("a", "2"), None)]
    found = {entry.path: (entry.type, entry.digest) for entry, _ in canonical(items, name="test")}
    assert found == {"a": (FILE, "2"), "b": (FILE, "1")}


@pytest.mark.parametrize("items", [[Entry("a", HARDLINK, 0o644, link="b")], [file("a"), file("a/b")]])
def test_what_cannot_be_is_refused(items: list[Entry]) -> None:
    with pytest.raises(LayerError, match=r"^test: "):
        canonical([(entry, None) for entry in items], name="test")


def test_a_directory_that_is_passed_through_is_not_written() -> None:
    changed = table(folder("d", 0o700), file("d/a"))
    through = table(folder("d", 0o1777)._replace(passed=True), file("d/b"))
    assert not list(conflicts([changed, through], {}))
    assert not list(conflicts([through, changed], {}))
    assert list(conflicts([table(file("d")), through], {})) == [Conflict("d", 0, 1, below=True)]


def test_links_conflict_where_they_lead_elsewhere() -> None:
    one, other = (Entry("l", SYMLINK, 0o777, link=target) for target in ("a", "b"))
    assert not list(conflicts([table(one), table(one)], {}))
    assert list(conflicts([table(one), table(other)], {})) == [Conflict("l", 0, 1)]


LIB = Entry("lib", SYMLINK, 0o777, link="usr/lib")
ON = {1: frozenset({0})}


@pytest.mark.parametrize(
    ("upper", "found"),
    [
        ([file("lib/x")], Conflict("lib", 0, 1, "usr/lib", below=True)),
        ([folder("lib"), file("lib/x")], Conflict("lib", 0, 1, "usr/lib")),
        ([file("lib")], None),
        ([Entry("lib", SYMLINK, 0o777, link="other")], None),
        ([file("usr/lib/x")], None),
    ],
)
def test_what_stands_on_a_link_without_having_seen_it(upper: list[Entry], found: Conflict | None) -> None:
    layers = [table(LIB, folder("usr")), table(*upper)]
    assert next(conflicts(layers, ON, {}), None) == found
    assert not list(conflicts(layers, ON))


def test_a_link_that_was_replaced_is_not_in_the_way() -> None:
    layers = [table(LIB), table(folder("lib"), file("lib/a")), table(file("lib/x"))]
    meant = {1: frozenset({0}), 2: frozenset({0, 1})}
    assert not list(conflicts(layers, meant, {1: frozenset({0})}))


def test_what_lies_in_a_folder_of_the_same_layer_is_no_conflict_of_its_own() -> None:
    upper = table(folder("a"), file("a/b"), file("a/c"))
    assert [one.path for one in conflicts([table(file("a")), upper], {})] == ["a"]


def test_the_last_name_of_a_file_has_its_content(tmp_path: Path) -> None:
    """However many of its names were replaced, one after the other."""
    names = [f"h{number:05}" for number in range(3000)]
    entries = [file("f"), *(Entry(one, HARDLINK, 0o644, link="f") for one in names)]
    entries += [file(one, "2") for one in ["f", *names[:-1]]]
    left = Left("test", Scratch(tmp_path))
    for entry in entries:
        left.add(entry)
    expected = [*(file(one, "2") for one in ["f", *names[:-1]]), file(names[-1])]
    assert sorted(left.entries(), key=lambda one: one.sort_key) == expected
    assert [one for one, _ in canonical(((one, None) for one in entries), name="test")] == expected


def test_a_link_to_itself_changes_nothing() -> None:
    """It stays a name of its file, of which the first one in order has the content."""
    link = Entry("a", HARDLINK, 0o644, link="f")
    items = [(file("f"), None), (link, None), (link._replace(link="a"), None)]
    found = [one for one, _ in canonical(items, name="test")]
    assert [(one.path, one.type, one.link) for one in found] == [("a", FILE, ""), ("f", HARDLINK, "a")]

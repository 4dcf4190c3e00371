"""A stack of layers, looked at through tables of contents."""

from __future__ import annotations

import pytest

from hermes.digest import Digest
from hermes.errors import BuildError
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, whiteout
from hermes.layer.toc import TableOfContents
from hermes.layer.view import View


def table(*entries: Entry) -> TableOfContents:
    return TableOfContents(
        Digest.of(repr(entries).encode()), 0, sorted(entries, key=lambda one: one.sort_key)
    )


@pytest.fixture
def view() -> View:
    lower = table(
        Entry("etc", DIRECTORY, 0o700),
        Entry("etc/passwd", FILE, 0o644, size=3, digest="1"),
        Entry("gone/file", FILE, 0o644),
        Entry("usr/bin/a", FILE, 0o755, size=1, digest="2"),
        Entry("usr/bin/b", HARDLINK, 0o755, link="usr/bin/a"),
        Entry("bin", SYMLINK, 0o777, link="usr/bin"),
    )
    upper = table(
        whiteout("gone"),
        Entry("abs", SYMLINK, 0o777, link="/bin/../etc"),
        Entry("loop", SYMLINK, 0o777, link="loop"),
        Entry("srv/x/y", FILE, 0o600),
    )
    return View([lower, upper])


def test_paths_are_resolved_in_the_root(view: View) -> None:
    assert view.resolve("bin/a") == "usr/bin/a"
    assert view.resolve("abs/passwd") == "usr/etc/passwd"
    assert view.resolve("/../../etc/./passwd") == "etc/passwd"
    assert view.resolve("bin", follow_last=False) == "bin"
    assert view.resolve("not/there") == "not/there"
    with pytest.raises(BuildError, match="symbolic links"):
        view.resolve("loop")


def test_what_is_there(view: View) -> None:
    assert view.is_folder("")
    assert view.is_folder("srv")
    assert view.is_folder("usr/bin")
    assert not view.is_folder("bin")
    assert view.exists("srv/x")
    assert not view.exists("gone/file")
    assert view.names("") == ["abs", "bin", "etc", "loop", "srv", "usr"]
    assert view.entry("srv").mode == 0o755
    assert [name for name, _ in view.below("usr")] == ["bin", "bin/a", "bin/b"]


def test_a_hard_link_has_the_bytes_of_its_file(view: View) -> None:
    found = view.origin("usr/bin/b")
    assert found is not None
    assert (found.entry.path, found.entry.type, found.entry.size, found.path) == (
        "usr/bin/b",
        FILE,
        1,
        "usr/bin/a",
    )


def test_what_is_at_a_path_is_that_of_the_layer_that_has_it(view: View) -> None:
    found = view.origin("srv/x/y")
    assert found is not None
    assert (found.entry, found.layer) == (Entry("srv/x/y", FILE, 0o600), 1)
    assert view.origin("srv") is None

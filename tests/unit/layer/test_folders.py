"""What directories become, however layers are unpacked, and what a layer on top must say of them."""

from __future__ import annotations

import io
import tarfile

import pytest

from hermes.digest import Digest
from hermes.errors import LayerError
from hermes.layer.entry import DIRECTORY, FILE, SYMLINK, Entry, implied, opaque, whiteout
from hermes.layer.folders import Folders, entries_noted, missing_entries, notable, noted
from hermes.layer.tar_reader import members
from hermes.layer.tar_writer import END, header
from hermes.layer.toc import TableOfContents
from hermes.layer.view import View


def folder(path: str, mode: int = 0o755, uid: int = 0) -> Entry:
    return Entry(path, DIRECTORY, mode, uid)


def passed(path: str, mode: int = 0o755, uid: int = 0) -> Entry:
    return folder(path, mode, uid)._replace(passed=True)


def file(path: str) -> Entry:
    return Entry(path, FILE, 0o644)


def missing(*layers: list[Entry], complete: bool = True) -> list[Entry]:
    tables = (TableOfContents(Digest.of(b""), 0, layer) for layer in layers)
    return missing_entries([Folders.of(table) for table in tables], complete=complete)


TMP = folder("tmp", 0o1777)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param([[TMP], [passed("tmp", 0o1777), file("tmp/x")]], [], id="as it was"),
        pytest.param([[TMP], [file("tmp/x")]], [TMP], id="covered"),
        pytest.param([[TMP, folder("srv")], [file("srv/x")]], [], id="plain"),
        pytest.param([[file("srv/app/x")]], [folder("srv"), folder("srv/app")], id="up to the tool"),
        pytest.param(
            [[folder("a"), folder("a/b", 0o700, 1)], [file("a/b/c/x")]],
            [folder("a"), folder("a/b", 0o700, 1), folder("a/b/c")],
            id="with those above",
        ),
        pytest.param(
            [[TMP], [folder("tmp", 0o700)], [passed("tmp", 0o1777), file("tmp/x")]],
            [folder("tmp", 0o700)],
            id="a sibling's change",
        ),
        pytest.param(
            [[TMP], [passed("tmp", 0o1777), file("tmp/x")], [folder("tmp", 0o700)]], [], id="changed above"
        ),
        pytest.param([[passed("tmp", 0o1777), file("tmp/x")]], [], id="what its root had"),
        pytest.param([[TMP], [whiteout("tmp")], [file("tmp/x")]], [folder("tmp")], id="removed before"),
        pytest.param([[TMP, file("tmp/x")], [whiteout("tmp")]], [], id="removed"),
        pytest.param([[file("tmp/x")], [file("tmp")]], [], id="a file at last"),
        pytest.param([[file("tmp/x")], [Entry("tmp", SYMLINK, 0o777, link="a")]], [], id="a link at last"),
        pytest.param(
            [[folder("a"), folder("a/b", 0o700)], [folder("a"), opaque("a")], [file("a/b/x")]],
            [folder("a"), folder("a/b")],
            id="emptied before",
        ),
    ],
)
def test_what_a_layer_on_top_must_say(layers: list[list[Entry]], expected: list[Entry]) -> None:
    assert missing(*layers) == expected
    assert missing(*layers, expected) == []


def test_what_nobody_knows_is_left_as_it_is() -> None:
    known = [folder("a/b", 0o700)]
    assert missing([file("usr/bin/x"), *known], [file("a/b/x")], complete=False) == known


def test_directories_above_paths() -> None:
    assert implied(["a/b/c", "a/b", "d", "e/f"]) == ["a", "e"]


def test_the_mark_of_a_directory_that_is_passed_through_is_in_the_archive() -> None:
    entries = [passed("d" * 120, 0o1777), passed("tmp", 0o700, 1), folder("usr")]
    archive = b"".join(map(header, entries)) + END
    assert [member.entry for member in members(io.BytesIO(archive).read, name="it")] == entries
    with tarfile.open(fileobj=io.BytesIO(archive)) as read:
        assert [(one.name, one.mode) for one in read] == [(one.path, one.mode) for one in entries]


def test_a_link_has_one_mode_whatever_an_archive_says() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for mode in (0o644, 0o555, 0o777):
            member = tarfile.TarInfo(f"l{mode}")
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, "a", mode
            archive.addfile(member)
    found = members(io.BytesIO(made.getvalue()).read, name="it")
    assert [member.entry.mode for member in found] == [0o777] * 3


def test_what_a_lock_notes_of_a_tree() -> None:
    home = folder("home/app", 0o700, 1000)._replace(xattrs=(("user.a", b"\0x"), ("user.b", b"")))
    entries = [
        TMP,
        home,
        folder("usr/lib"),
        file("etc/passwd"),
        Entry("lib", SYMLINK, 0o777, link="usr/lib"),
        Entry("etc/link", SYMLINK, 0o777, link="passwd"),
        Entry("loop", SYMLINK, 0o777, link="loop"),
    ]
    table = TableOfContents(Digest.of(b""), 0, entries)
    note = noted(notable(View([table])))
    assert note == {
        "/tmp": "1777 0:0",
        "/home/app": "0700 1000:0 user.a=AHg= user.b=",
        "/lib": "-> usr/lib",
    }
    assert entries_noted(note) == [home, entries[4], TMP]


@pytest.mark.parametrize("name", ["user.a b", "user.a=b", "user.%20", "user.\udcff", "user.\xa0\n"])
def test_a_note_holds_extended_attributes_of_any_name(name: str) -> None:
    entry = folder("a", 0o700)._replace(xattrs=((name, b"x"),))
    assert entries_noted(noted([entry])) == [entry]


@pytest.mark.parametrize("path", ["a", "", "//a", "/a/", "/../a", "/a/../b", "/a//b", "/a\0b"])
@pytest.mark.parametrize("text", ["0755 0:0", "-> b"])
def test_a_note_names_paths_of_the_root(path: str, text: str) -> None:
    with pytest.raises(LayerError, match=r"path"):
        entries_noted({path: text})


@pytest.mark.parametrize(
    "text",
    [
        *("755", "0755 0", "0999 0:0", "0755 0:0 a", "", "0755 0:0\n"),
        *("0755 4294967295:0", "0755 0:4294967295", "0755 \u0661:0", "0755 0:0 a=b", "-> ", "-> a\0"),
    ],
)
def test_what_a_lock_does_not_note(text: str) -> None:
    with pytest.raises(LayerError, match="does not say what a folder is"):
        entries_noted({"/a": text})

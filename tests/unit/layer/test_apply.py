"""Layers extracted for overlayfs: see Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories"."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.errors import LayerError
from hermes.layer.apply import TreeWriter
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, SYMLINK, Entry, opaque, whiteout
from hermes.layer.trees import Passing

FOLDER = Entry("a", DIRECTORY, 0o755)


def test_an_opaque_directory_has_the_attribute_that_overlayfs_looks_for(tmp_path: Path) -> None:
    writer = TreeWriter(str(tmp_path), name="test")
    for entry in (FOLDER, FOLDER._replace(path="a/b"), opaque("a/b"), FOLDER._replace(path="c")):
        writer.add(entry, iter(()))
    writer.finish()
    assert os.getxattr(tmp_path / "a/b", "user.overlay.opaque") == b"y"
    for path in ("a", "c"):
        assert os.listxattr(tmp_path / path) == []
    assert sorted(os.listdir(tmp_path / "a/b")) == []


def made(root: Path, *entries: Entry, one_id: bool = False) -> tuple[Passing, TreeWriter]:
    """Extract entries, of which a file holds as many letters as its size says."""
    writer = TreeWriter(str(root), name="test", one_id=one_id)
    for entry in entries:
        writer.add(entry, iter([b"x" * entry.size]))
    return writer.finish(), writer


def file(path: str, **more: object) -> Entry:
    return Entry(path, FILE, 0o644)._replace(**more)


def test_everything_has_the_mode_and_time_that_its_entry_says(tmp_path: Path) -> None:
    made(
        tmp_path,
        FOLDER._replace(mode=0o555, mtime=11),
        file("a/f", mode=0o4751, mtime=22, size=70_000),
        Entry("a/l", SYMLINK, 0o777, link="f", mtime=33),
        Entry("a/h", HARDLINK, 0o751, link="a/f", mtime=22),
        FOLDER._replace(path="a/d", mode=0o1777, mtime=-5),
    )
    found = {path: os.lstat(tmp_path / path) for path in ("a", "a/f", "a/l", "a/h", "a/d")}
    times = {path: status.st_mtime_ns / 10**9 for path, status in found.items()}
    assert times == {"a": 11, "a/f": 22, "a/l": 33, "a/h": 22, "a/d": -5}
    modes = {path: stat.S_IMODE(status.st_mode) for path, status in found.items() if path != "a/l"}
    assert modes == {"a": 0o555, "a/f": 0o4751, "a/h": 0o4751, "a/d": 0o1777}
    assert found["a/f"].st_ino == found["a/h"].st_ino
    assert (tmp_path / "a/f").read_bytes() == b"x" * 70_000


def test_folders_on_the_way_are_told_apart_from_those_of_the_layer(tmp_path: Path) -> None:
    passing, _ = made(
        tmp_path,
        file("a/b/f"),
        FOLDER._replace(path="p", passed=True),
        FOLDER._replace(path="c", mode=0o700),
        file("c/d/f"),
    )
    assert passing == Passing(["", "a", "a/b", "c/d"], ["p"])
    for path in ("a", "a/b", "c/d"):
        status = os.lstat(tmp_path / path)
        assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o755, 0)
    assert stat.S_IMODE(os.lstat(tmp_path / "c").st_mode) == 0o700


def test_a_folder_that_is_described_after_its_content_is_of_the_layer(tmp_path: Path) -> None:
    passing, _ = made(tmp_path, file("a/f"), FOLDER._replace(mode=0o711), FOLDER._replace(path=""))
    assert passing == Passing([], [])
    assert stat.S_IMODE(os.lstat(tmp_path / "a").st_mode) == 0o711
    assert os.listdir(tmp_path / "a") == ["f"]


def test_what_takes_the_place_of_a_folder_takes_its_content_with_it(tmp_path: Path) -> None:
    passing, writer = made(tmp_path, FOLDER, file("a/d/f"), FOLDER._replace(path="ab"), file("a", size=3))
    assert (tmp_path / "a").read_bytes() == b"xxx"
    assert sorted(os.listdir(tmp_path)) == ["a", "ab"]
    assert passing == Passing([""], [])
    with pytest.raises(LayerError, match="'a/d/f' lies below 'a', which is not a directory"):
        writer.add(file("a/d/f"))
    with pytest.raises(LayerError, match="is a hard link to 'a/d/f', which is not a file"):
        writer.add(Entry("l", HARDLINK, 0o644, link="a/d/f"))


def test_a_removed_path_is_a_device_0_0_unless_the_layer_has_it(tmp_path: Path) -> None:
    made(tmp_path, file("kept"), whiteout("kept"), whiteout("a/gone"), whiteout("back"), file("back"))
    status = os.lstat(tmp_path / "a/gone")
    assert (stat.S_IFMT(status.st_mode), status.st_rdev) == (stat.S_IFCHR, 0)
    for path in ("kept", "back"):
        assert (tmp_path / path).is_file()


@pytest.mark.parametrize("path", [".wh.", "a/.wh.", ".wh..", ".wh..."])
def test_a_whiteout_of_no_name_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(LayerError, match="is not a valid whiteout"):
        made(tmp_path, file(path))
    assert not any(one.name.startswith(".wh") for one in tmp_path.rglob("*"))


@pytest.mark.parametrize("link", ["", "a", "a/none", "null", "self", "a/.wh.x"])
def test_a_hard_link_is_one_of_a_file_of_the_layer(tmp_path: Path, link: str) -> None:
    device = Entry("null", "3", 0o666, device=(1, 3))
    with pytest.raises(LayerError, match="which is not a file of the layer"):
        made(tmp_path, FOLDER, device, Entry("self", HARDLINK, 0o644, link=link))


def test_a_hard_link_to_a_link_is_that_link(tmp_path: Path) -> None:
    made(tmp_path, Entry("l", SYMLINK, 0o777, link="/etc/passwd"), Entry("h", HARDLINK, 0o777, link="l"))
    assert os.readlink(tmp_path / "h") == "/etc/passwd"


def test_attributes_of_overlayfs_are_not_taken_from_a_layer(tmp_path: Path) -> None:
    xattrs = (("user.a", b"1"), ("user.overlay.opaque", b"y"), ("user.overlay.redirect", b"/x"))
    made(tmp_path, FOLDER._replace(xattrs=xattrs), file("f", xattrs=xattrs))
    for path in ("a", "f"):
        assert os.listxattr(tmp_path / path) == ["user.a"]


@pytest.mark.parametrize(
    "entry",
    [
        file("f", xattrs=(("security.capability", b"odd"),)),
        file("f", xattrs=(("nonsense", b"1"),)),
        Entry("f", SYMLINK, 0o777, link="x", xattrs=(("user.a", b"1"),)),
    ],
)
def test_an_attribute_that_cannot_be_set_is_named(tmp_path: Path, entry: Entry) -> None:
    with pytest.raises(LayerError, match=f"'f': the attribute {entry.xattrs[0][0]} cannot be set"):
        made(tmp_path, entry)


def test_labels_of_another_system_are_left_out_where_they_cannot_be_set(tmp_path: Path) -> None:
    made(tmp_path, file("f", xattrs=(("security.none", b"1"), ("user.a", b"1"))))
    assert "user.a" in os.listxattr(tmp_path / "f")


def test_a_name_that_the_disk_cannot_hold_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="File name too long"):
        made(tmp_path, file("n" * 300))


def test_a_full_disk_is_not_the_fault_of_the_layer(tmp_path: Path) -> None:
    def full() -> Iterator[bytes]:
        yield b"x"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        TreeWriter(str(tmp_path), name="test").add(file("f"), full())
    assert not isinstance(caught.value, LayerError)


def test_where_there_is_one_id_owners_are_noted(tmp_path: Path) -> None:
    entries = (
        FOLDER._replace(uid=5, gid=6),
        file("a/f", uid=7),
        file("root"),
        Entry("l", SYMLINK, 0o777, gid=8, link="x"),
    )
    _, writer = made(tmp_path, *entries, one_id=True)
    assert writer.owners == {"a": (5, 6), "a/f": (7, 0), "l": (0, 8)}
    for path in ("a", "a/f", "root", "l"):
        assert os.lstat(tmp_path / path).st_uid == os.geteuid()

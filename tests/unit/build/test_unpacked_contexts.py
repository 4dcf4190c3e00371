"""Archives of contexts as folders: what tar makes of them, and nothing outside of the folder whatever they hold."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from hermes.build.dockerfile.unpacked import unpack
from hermes.errors import BuildError, LayerError


def write(path: Path, *rows: tuple[str, str]) -> Path:
    """Write an archive: names and contents, or ``->TARGET``, ``=NAME`` for a hard link, ``/`` for a folder."""
    with tarfile.open(path, "w") as made:
        for name, text in rows:
            member = tarfile.TarInfo(name)
            member.uid = 12345
            if text.startswith("->"):
                member.type, member.linkname = tarfile.SYMTYPE, text[2:]
            elif text.startswith("="):
                member.type, member.linkname = tarfile.LNKTYPE, text[1:]
            elif text == "/":
                member.type, member.mode = tarfile.DIRTYPE, 0o750
            else:
                member.size = len(text)
            made.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "outer/root"
    made.mkdir(parents=True)
    return made


def test_a_folder_comes_out_as_it_went_in(tmp_path: Path, root: Path) -> None:
    source = tmp_path / "source"
    (source / "sub/deep").mkdir(parents=True)
    (source / "sub/file").write_text("x")
    (source / "sub/file").chmod(0o4750)
    (source / "sub/closed").mkdir(mode=0o500)
    (source / "sub/link").symlink_to("../none")
    os.link(source / "sub/file", source / "hard")
    os.mkfifo(source / "pipe", 0o640)
    archive = tmp_path / "x.tar"
    subprocess.run(["tar", "-C", source, "-cf", archive, "."], check=True)
    archive.write_bytes(gzip.compress(archive.read_bytes()))
    unpack(archive, root, "x.tar")
    rows = []
    for folder in (source, root):
        found = sorted(folder.rglob("*"))
        rows.append(
            [
                (
                    str(one.relative_to(folder)),
                    one.lstat().st_mode,
                    one.lstat().st_nlink if one.is_file() else 0,
                )
                for one in found
            ]
        )
    assert rows[0] == rows[1]
    assert (root / "hard").samefile(root / "sub/file")
    assert os.readlink(root / "sub/link") == "../none"


@pytest.mark.parametrize(
    "rows",
    [
        [("l", "->/"), ("l/etc/x", "y")],
        [("l", "->.."), ("l/x", "y")],
        [("l", "->../../.."), ("l/x", "y")],
        [("a", "->b"), ("b", "->.."), ("a/x", "y")],
        [("d", "/"), ("d/l", "->../.."), ("d/l/x", "y")],
        [("l", "->/outside"), ("x", "=l/secret")],
        [("l", "->.."), ("l", "y")],
        [("l", "->../secret"), ("l", "/"), ("l/x", "y")],
    ],
)
def test_nothing_is_written_or_read_outside(tmp_path: Path, root: Path, rows: list[tuple[str, str]]) -> None:
    (root.parent / "secret").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    archive = write(tmp_path / "x.tar", *rows)
    try:
        unpack(archive, root, "x.tar")
    except (BuildError, LayerError) as error:
        assert "x.tar" in error.message
    outside = [one for one in sorted(tmp_path.rglob("*")) if root not in one.parents and one != archive]
    assert outside == before
    assert (root.parent / "secret").read_text() == "kept"
    assert not any(
        one.is_file() and one.read_text() == "kept" for one in root.rglob("*") if not one.is_symlink()
    )


def test_of_two_members_at_a_path_the_later_one_stays(tmp_path: Path, root: Path) -> None:
    rows = [
        ("a", "1"),
        ("a", "2"),
        ("b", "->a"),
        ("b", "3"),
        ("d", "/"),
        ("d/x", "4"),
        ("d", "/"),
        ("e/f", "5"),
    ]
    unpack(write(tmp_path / "x.tar", *rows), root, "x.tar")
    assert [(root / one).read_text() for one in ("a", "b", "d/x", "e/f")] == ["2", "3", "4", "5"]
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o750


@pytest.mark.parametrize("rows", [[("a", "1"), ("a/b", "2")], [("a/b", "1"), ("a", "2")], [("x", "=none")]])
def test_what_cannot_be_is_one_message(tmp_path: Path, root: Path, rows: list[tuple[str, str]]) -> None:
    with pytest.raises((LayerError, BuildError), match=r"^x\.tar: "):
        unpack(write(tmp_path / "x.tar", *rows), root, "x.tar")


@pytest.mark.parametrize("length", [1, 511, 513, 1100])
def test_an_archive_that_is_cut_is_an_error(tmp_path: Path, root: Path, length: int) -> None:
    archive = write(tmp_path / "x.tar", ("a", "1" * 900), ("b", "2"))
    archive.write_bytes(archive.read_bytes()[:length])
    with pytest.raises(LayerError, match=r"x\.tar"):
        unpack(archive, root, "x.tar")

"""Upper directories of an overlay -> the entries of a layer.

See Documentation/filesystems/overlayfs.rst, "Whiteouts and opaque directories", and image-spec, layer.md, "Whiteouts".
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermes.layer.apply import OPAQUE_XATTR
from hermes.layer.diff import changes, peek
from hermes.layer.entry import DIRECTORY, FILE, Entry


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    root = tmp_path / "lower"
    (root / "d").mkdir(parents=True)
    (root / "d/old").write_text("old")
    return root


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    root = tmp_path / "upper"
    (root / "d").mkdir(parents=True)
    (root / "d/new").write_text("new")
    for path in (root, root / "d", root / "d/new"):
        path.chmod(0o755)
    return root


def make_opaque(folder: Path) -> None:
    try:
        os.setxattr(folder, OPAQUE_XATTR, b"y")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error.strerror}")


def rows(entries: list[Entry]) -> list[tuple[str, str]]:
    return [(one.path, one.type) for one in entries if not one.passed]


def test_a_folder_that_was_made_again_hides_what_the_layers_below_have_in_it(
    upper: Path, lower: Path
) -> None:
    make_opaque(upper / "d")
    expected = [("d", DIRECTORY), ("d/.wh..wh..opq", FILE), ("d/new", FILE)]
    assert rows(peek(str(upper), str(lower))) == expected
    found = changes(str(upper), str(lower), mtime=7)
    assert rows(found.entries) == expected
    (marker,) = (one for one in found.entries if one.is_opaque)
    assert (marker.size, marker.mtime) == (0, 7)


def test_a_folder_that_only_gained_a_file_hides_nothing(upper: Path, lower: Path) -> None:
    assert rows(peek(str(upper), str(lower))) == [("d/new", FILE)]


def test_a_new_folder_hides_nothing_for_there_is_nothing(upper: Path, tmp_path: Path) -> None:
    make_opaque(upper / "d")
    (tmp_path / "empty").mkdir()
    assert [path for path, _ in rows(peek(str(upper), str(tmp_path / "empty")))] == ["d", "d/new"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_removed_file_is_a_whiteout_where_there_was_one(upper: Path, lower: Path) -> None:
    for name in ("old", "never"):
        os.mknod(upper / "d" / name, 0o20000, 0)
    assert rows(peek(str(upper), str(lower))) == [("d/.wh.old", FILE), ("d/new", FILE)]

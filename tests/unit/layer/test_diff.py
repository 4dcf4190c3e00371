"""Upper directories of an overlay -> the entries of a layer.

See Documentation/filesystems/overlayfs.rst, "Whiteouts and opaque directories", and image-spec, layer.md, "Whiteouts".
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes.errors import LayerError
from hermes.layer.apply import OPAQUE_XATTR
from hermes.layer.diff import changes, peek
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK, Entry


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


def at(upper: Path, lower: Path) -> dict[str, Entry]:
    """The entries of the changes by their paths, those that are only passed through left out."""
    return {one.path: one for one in changes(str(upper), str(lower), mtime=7).entries if not one.passed}


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    """An upper directory that has all of the lower one, copied up and unchanged."""
    for name in ("both-upper", "both-lower"):
        root = tmp_path / name
        (root / "d/e").mkdir(parents=True)
        (root / "d/e/f").write_text("same")
        (root / "d/l").symlink_to("e/f")
        os.mkfifo(root / "d/p", 0o644)
        for path in (root, root / "d", root / "d/e"):
            path.chmod(0o755)
        (root / "d/e/f").chmod(0o644)
    return tmp_path / "both-upper", tmp_path / "both-lower"


def test_what_was_copied_up_and_not_changed_is_no_change(both: tuple[Path, Path]) -> None:
    upper, lower = both
    found = changes(str(upper), str(lower), mtime=7)
    assert list(found.entries) == []
    assert os.listdir(upper) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda root: (root / "d/e/f").write_text("else"), "d/e/f"),
        (lambda root: (root / "d/e/f").write_text("same and more"), "d/e/f"),
        (lambda root: (root / "d/e/f").chmod(0o600), "d/e/f"),
        (lambda root: os.setxattr(root / "d/e/f", "user.a", b"1"), "d/e/f"),
        (lambda root: ((root / "d/l").unlink(), (root / "d/l").symlink_to("e/g")), "d/l"),
        (lambda root: (root / "d/p").chmod(0o600), "d/p"),
        (lambda root: (root / "d/e").chmod(0o700), "d/e"),
        (lambda root: ((root / "d/p").unlink(), (root / "d/p").write_text("")), "d/p"),
        (lambda root: ((root / "d/l").unlink(), os.mkfifo(root / "d/l")), "d/l"),
    ],
)
def test_a_change_of_anything_is_one_entry(
    both: tuple[Path, Path], change: Callable[[Path], object], path: str
) -> None:
    upper, lower = both
    change(upper)
    found = changes(str(upper), str(lower), mtime=7)
    assert [one.path for one in found.entries if not one.passed] == [path]
    above = [one.path for one in found.entries if one.passed]
    assert above == (["d", "d/e"] if path == "d/e/f" else ["d"])
    left = [str(one.relative_to(upper)) for one in sorted(upper.rglob("*"))]
    assert left == sorted([*above, path])
    for one in (*above, path):
        assert os.lstat(upper / one).st_mtime == 7, one


def test_what_was_changed_and_put_back_below_another_folder_is_no_change_of_it(
    both: tuple[Path, Path],
) -> None:
    upper, lower = both
    (upper / "d/new").write_text("x")
    found = changes(str(upper), str(lower), mtime=7)
    assert [(one.path, one.passed, one.mode) for one in found.entries] == [
        ("d", True, 0o755),
        ("d/new", False, stat.S_IMODE(os.stat(upper / "d/new").st_mode)),
    ]
    assert os.listdir(upper / "d") == ["new"]


def test_a_socket_is_left_out_and_hides_what_it_replaced(upper: Path, lower: Path) -> None:
    for name in ("old", "other"):
        with socket.socket(socket.AF_UNIX) as one:
            here = os.getcwd()
            os.chdir(upper / "d")
            try:
                one.bind(name)
            finally:
                os.chdir(here)
    found = at(upper, lower)
    assert sorted(found) == ["d/.wh.old", "d/new"]
    status = os.lstat(upper / "d/old")
    assert (stat.S_IFMT(status.st_mode), status.st_rdev) == (stat.S_IFCHR, 0)
    assert not os.path.lexists(upper / "d/other")


def test_names_of_one_file_are_links_to_the_first(upper: Path, lower: Path) -> None:
    for name in ("z", "a"):
        os.link(upper / "d/new", upper / "d" / name)
    os.setxattr(upper / "d/new", "user.a", b"1")
    found = at(upper, lower)
    assert (found["d/a"].type, found["d/a"].size, found["d/a"].xattrs) == (FILE, 3, (("user.a", b"1"),))
    for name in ("d/new", "d/z"):
        assert (found[name].type, found[name].link, found[name].size) == (HARDLINK, "d/a", 0)
        assert found[name].xattrs == ()


def test_what_overlayfs_notes_for_itself_is_taken_away(upper: Path, lower: Path) -> None:
    for path in ("d", "d/new"):
        os.setxattr(upper / path, "user.overlay.origin", b"\0")
        os.setxattr(upper / path, "user.b", b"1")
    os.link(upper / "d/new", upper / "d/also")
    found = at(upper, lower)
    assert found["d/also"].xattrs == (("user.b", b"1"),)
    for path in ("d", "d/new"):
        assert os.listxattr(upper / path) == ["user.b"]


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("x")])
@pytest.mark.parametrize("folder", ["", "d"])
def test_a_name_that_would_be_a_whiteout_is_refused(
    upper: Path, lower: Path, make: Callable[[Path], None], folder: str
) -> None:
    make(upper / folder / ".wh.x")
    with pytest.raises(LayerError, match=r"/\.wh\.x: a layer cannot hold names that begin with"):
        at(upper, lower)


def test_the_root_is_in_the_layer_where_it_changed(upper: Path, lower: Path) -> None:
    upper.chmod(0o700)
    assert at(upper, lower)[""].mode == 0o700


def test_below_a_file_that_became_a_folder_nothing_shows_through(upper: Path, lower: Path) -> None:
    (upper / "d/old/below").mkdir(parents=True)
    found = at(upper, lower)
    assert sorted(found) == ["d/new", "d/old", "d/old/below"]
    assert not any(one.is_opaque for one in found.values())


def test_without_layers_below_all_is_new(upper: Path) -> None:
    make_opaque(upper / "d")
    found = {one.path: one for one in changes(str(upper), None, mtime=7).entries}
    assert sorted(found) == ["d", "d/new"]
    assert os.listxattr(upper / "d") == []

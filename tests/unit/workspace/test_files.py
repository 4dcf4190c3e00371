"""The workspace's files: where it begins, what is in it, and what tells that a file changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hermes.engine.action import EXECUTABLE, FILE, LINK
from hermes.errors import SourceError, WorkspaceError
from hermes.store import Store
from hermes.workspace.glob import matcher
from hermes.workspace.listing import Folders, list_folder, signature_of
from hermes.workspace.location import find_root
from hermes.workspace.root import read_settings
from hermes.workspace.sources import FileIndex


def test_the_root_is_the_nearest_marker_above(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "hermes.yaml").touch()
    (tmp_path / "a/b/hermes.yaml").touch()
    assert find_root(tmp_path / "a/b/c") == tmp_path / "a/b"
    assert find_root(tmp_path / "a") == tmp_path
    with pytest.raises(WorkspaceError):
        find_root(tmp_path.parent)


def test_an_empty_file_has_every_default(tmp_path: Path) -> None:
    (tmp_path / "hermes.yaml").touch()
    settings = read_settings(tmp_path, tmp_path / "elsewhere")
    assert (settings.jobs, settings.apt_sources, settings.ignore) == (None, (), ("elsewhere",))


def test_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "hermes.yaml").write_text(
        "jobs: 3\nignore: [build/, docs]\napt:\n  keyring: keys/x.gpg\n  sources:\n"
        "  - uri: https://mirror.example/debian/\n    suites: stable stable-updates\n    components: [main]\n"
    )
    settings = read_settings(tmp_path, Path("/store"))
    assert (settings.jobs, settings.ignore) == (3, ("build", "docs"))
    (source,) = settings.apt_sources
    assert source.uri == "https://mirror.example/debian"
    assert source.suites == ("stable", "stable-updates")
    assert source.signed_by == str(tmp_path / "keys/x.gpg")


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("*.txt", "a.txt .txt", "a.txt.x d/a.txt"),
        ("**", "a d/a d/e/f", ""),
        ("**/*.py", "a.py d/a.py d/e/a.py", "a.pyc"),
        ("d/**", "d/a d/e/f", "e/a d"),
        ("d/**/x", "d/x d/e/x d/e/f/x", "dx d/ex"),
        ("a?c", "abc", "ac abbc a/c"),
        ("a[b]", "a[b]", "ab"),
        ("a.b+c", "a.b+c", "aXb+c a.bbc"),
    ],
)
def test_globs(pattern: str, matches: str, others: str) -> None:
    found = matcher([pattern])
    assert all(found.match(path) for path in matches.split())
    assert not any(found.match(path) for path in others.split())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "workspace"
    for name in (
        "BUILD",
        "a.txt",
        "d/b.txt",
        "inner/BUILD",
        "inner/c.txt",
        "hermes-out/x",
        ".git/config",
        "skipped/x",
    ):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    return path


def test_a_package_ends_where_another_begins(root: Path) -> None:
    folders = Folders(root, ("skipped",))
    assert sorted(folders.package_files("")) == ["BUILD", "a.txt", "d/b.txt"]
    assert sorted(folders.package_files("inner")) == ["BUILD", "c.txt"]
    assert list(folders.packages("")) == ["", "inner"]
    assert folders.package_of("d") == ""
    assert not folders.has_folder("skipped")


def test_a_file_that_becomes_a_link_changes_its_folder(root: Path) -> None:
    before = Folders(root).listing("").digest
    (root / "a.txt").unlink()
    (root / "a.txt").symlink_to("d/b.txt")
    assert Folders(root).listing("").digest != before


def test_a_folder_that_has_just_changed_is_listed_again(root: Path) -> None:
    """Its times could be the same after another file came, so what was listed is not relied upon."""
    (root / "new").touch()
    assert list_folder(str(root)).signature != signature_of(os.stat(root))
    time.sleep(0.03)
    assert list_folder(str(root)).signature == signature_of(os.stat(root))


def age(path: Path) -> None:
    """Make a file look as if it had been written long ago."""
    os.utime(path, (1, 1), follow_symlinks=False)


def test_a_file_is_known_by_content_and_kind(root: Path) -> None:
    index = FileIndex(root)
    (root / "d/b.txt").write_text("b")
    (root / "run").write_text("b")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("a.txt")
    assert [index.value(name).kind for name in ("a.txt", "run", "link")] == [FILE, EXECUTABLE, LINK]
    assert index.value("d/b.txt").digest == index.value("run").digest
    for bad in ("d", "nothing"):
        with pytest.raises(SourceError, match=bad):
            index.value(bad)


def test_a_file_that_is_the_same_is_not_read_again(root: Path, store: Store) -> None:
    saved = store.home / "files"
    (root / "a.txt").write_text("one")
    time.sleep(0.03)
    first = FileIndex(root)
    digest = first.value("a.txt").digest
    first.save(store, saved)
    again = FileIndex.load(root, saved)
    assert again.value("a.txt").digest == digest
    assert not again.changed


def test_a_file_written_in_the_same_tick_is_read_again(root: Path, store: Store) -> None:
    """Its times could be the same after another write, so what was read of it is not relied upon."""
    saved = store.home / "files"
    (root / "a.txt").write_text("one")
    first = FileIndex(root)
    first.value("a.txt")
    first.save(store, saved)
    again = FileIndex.load(root, saved)
    again.value("a.txt")
    assert again.changed


def test_a_damaged_index_is_as_good_as_none(root: Path, tmp_path: Path) -> None:
    for text in (b"", b"{", b"[]", b'{"version": 99}', b'{"version": 1, "files": {"a": [1]}}'):
        (tmp_path / "files").write_bytes(text)
        assert FileIndex.load(root, tmp_path / "files").value("a.txt").kind == FILE

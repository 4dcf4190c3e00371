"""Searching folders: everything in them, and nothing outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermes.container.secrets.leaks import Leak, Search, leaked
from hermes.digest import CHUNK

VALUE = b"s3cret/value?"
TEXT = VALUE.decode()


@pytest.fixture
def search() -> Search:
    return Search({"npm": VALUE})


def taken(search: Search, folder: Path, since: int = 0) -> dict[str, str]:
    return {leak.path: leak.what for leak in search.take_from(str(folder), since, "/c")}


@pytest.mark.parametrize("at", [0, CHUNK - len(VALUE), CHUNK - 5, CHUNK - 1, CHUNK, 3 * CHUNK - 2])
def test_a_value_is_found_wherever_pieces_end(search: Search, tmp_path: Path, at: int) -> None:
    (tmp_path / "f").write_bytes(b"x" * at + VALUE + b"y" * 5)
    assert search.in_file(str(tmp_path / "f")) is not None
    (tmp_path / "g").write_bytes(b"x" * at + VALUE[:-1])
    assert search.in_file(str(tmp_path / "g")) is None


def test_what_has_a_secret_is_taken_and_the_rest_stays(search: Search, tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/bad").write_bytes(VALUE)
    (tmp_path / "d/good").write_text("x")
    (tmp_path / "d/link").symlink_to(f"/{TEXT}")
    (tmp_path / "d/e/marked").write_text("x")
    os.setxattr(tmp_path / "d/e/marked", "user.x", VALUE.hex().encode())
    os.mkfifo(tmp_path / "d/fifo")
    assert taken(search, tmp_path) == {
        "/c/d/e/bad": "the content",
        "/c/d/e/marked": "an extended attribute",
        "/c/d/link": "the target of the link",
    }
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["d", "e", "fifo", "good"]
    assert taken(search, tmp_path) == {}


def test_a_path_that_spells_a_secret_is_taken_from_where_it_begins(search: Search, tmp_path: Path) -> None:
    (tmp_path / f"a/b{TEXT}c/d").mkdir(parents=True)
    (tmp_path / "a/bs3cret/other").write_text("x")
    assert taken(search, tmp_path) == {f"/c/a/b{TEXT}c": "the name"}
    assert [path.name for path in tmp_path.rglob("*")] == ["a"]


def test_no_link_leads_out_of_the_folder(search: Search, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    folder.mkdir()
    (outside / "npmrc").write_bytes(VALUE)
    (folder / "d").symlink_to(outside)
    (folder / "f").symlink_to(outside / "npmrc")
    assert taken(search, folder) == {}
    assert (outside / "npmrc").exists()


def test_a_file_that_did_not_change_is_not_read(search: Search, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(VALUE)
    status = (tmp_path / "f").stat()
    assert taken(search, tmp_path, status.st_ctime_ns + 1) == {}
    assert taken(search, tmp_path, status.st_ctime_ns) == {"/c/f": "the content"}


def test_the_error_names_places_and_never_the_value(search: Search) -> None:
    form = search.in_data(VALUE)
    assert form is not None
    leaks = [Leak(f"/{number}/{TEXT}", "the name", form) for number in range(12)]
    error = leaked(leaks, search.masker, "")
    assert "/0/***: the name has the secret 'npm'" in error.message
    assert error.message.endswith("... and 2 more")
    assert TEXT not in error.message


def test_documents_are_searched_as_they_read(search: Search) -> None:
    quoted = Search({"a": b'pass"word\\with'})
    assert quoted.in_document({"x": [1, None, {"k": 'the pass"word\\with quotes'}]})
    assert quoted.in_document({'pass"word\\with': 1})
    assert not search.in_document({"s3cret": "/value?"})

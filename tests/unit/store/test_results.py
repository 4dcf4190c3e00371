"""The results of actions: bytes with a check, in a database that starts again when it is damaged."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes.errors import StoreError
from hermes.store import Store
from hermes.store.results import Results, _database_error


def test_a_result_comes_back_with_what_its_key_was_made_of(store: Store) -> None:
    store.results.put("key", b"result", b"preimage")
    assert store.results.get("key") == b"result"
    assert store.results.preimage("key") == b"preimage"
    assert store.results.get("other") is None


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/hermes-was-here",)


def test_nothing_is_ever_unpickled(store: Store, tmp_path: Path) -> None:
    import diskcache

    store.results.put("key", b"result", b"preimage")
    store.results.close()
    with diskcache.Cache(str(store.home / "results")) as cache:
        cache.set("key", pickle.loads(pickle.dumps({"a": 1})))
    assert store.results.get("key") is None
    with pytest.raises(TypeError):
        store.results.put("key", Evil(), b"")  # type: ignore[arg-type]


def test_a_damaged_database_is_started_again(store: Store) -> None:
    store.results.put("key", b"result", b"preimage")
    store.results.close()
    for path in (store.home / "results").glob("cache.db*"):
        path.write_bytes(b"damage" * 1000)
    assert not store.results.damaged
    assert store.results.get("key") is None
    assert store.results.damaged
    store.results.put("key", b"again", b"preimage")
    assert store.results.get("key") == b"again"


def change_row(store: Store, name: str, value: bytes) -> None:
    store.results.close()
    with contextlib.closing(sqlite3.connect(store.home / "results/cache.db")) as connection, connection:
        done = connection.execute("UPDATE Cache SET value = ? WHERE key = ?", (value, name))
        assert done.rowcount == 1


def row(store: Store, name: str) -> bytes:
    store.results.close()
    with contextlib.closing(sqlite3.connect(store.home / "results/cache.db")) as connection:
        return connection.execute("SELECT value FROM Cache WHERE key = ?", (name,)).fetchone()[0]


@pytest.mark.parametrize("at", [0, 1, 16, 17, -1])
def test_a_result_with_a_flipped_bit_counts_as_not_there(store: Store, at: int) -> None:
    """SQLite has no checksums: such a database is whole to its own check."""
    store.results.put("key", b"result", b"preimage")
    store.results.put("other", b"result", b"preimage")
    data = bytearray(row(store, "key"))
    data[at] ^= 1
    change_row(store, "key", bytes(data))
    assert store.results.get("key") is None
    assert store.results.get("other") == b"result"
    assert not store.results.damaged
    assert store.results.verify() is (at == 0)  # then it looks like one of an earlier version


def test_a_result_in_place_of_another_is_damage(store: Store) -> None:
    store.results.put("key", b"result", b"preimage")
    store.results.put("other", b"other result", b"preimage")
    change_row(store, "key", row(store, "other"))
    assert store.results.get("key") is None
    assert not store.results.verify()


def test_a_result_of_an_earlier_version_is_not_used_and_is_no_damage(store: Store) -> None:
    store.results.put("key", b"result", b"preimage")
    change_row(store, "key", b'{"outputs": {}}')
    assert store.results.get("key") is None
    assert store.results.verify()
    store.results.keep(lambda _: True, {"key"})
    store.results.put("key", b"again", b"preimage")
    assert store.results.get("key") == b"again"


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/dev/full")])
def test_something_else_in_place_of_the_results_is_one_error(
    store: Store, make: Callable[[Path], None]
) -> None:
    make(store.home / "results")
    with pytest.raises(StoreError, match="results"):
        store.results.put("key", b"result", b"preimage")
    with pytest.raises(StoreError, match="results"):
        store.results.get("key")


def test_a_database_that_is_damaged_again_is_started_again(store: Store) -> None:
    for _ in range(2):
        store.results.put("key", b"result", b"preimage")
        store.results.close()
        for path in (store.home / "results").glob("cache.db*"):
            path.write_bytes(b"damage" * 1000)
        aside = store.home / "results.damaged"
        aside.mkdir()
        (aside / "file").touch()
        assert store.results.get("key") is None
        assert not aside.exists()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of results with one that is in the database, and one that a killed process left in its log."""
    folder = tmp_path_factory.mktemp("killed") / "results"
    first = Results(folder)
    first.put("first", b"1", b"")
    first.close()
    text = f"import os, pathlib; from hermes.store.results import Results; Results(pathlib.Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", f"{text}.put('second', b'2', b''); os._exit(0)"], check=True)
    assert (folder / "cache.db-wal").stat().st_size > 0
    return folder


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


LOGS: dict[str, tuple[Callable[[Path], object], tuple[bytes | None, bytes | None]]] = {
    "whole": (lambda _: None, (b"1", b"2")),
    "its index is gone": (lambda log: log.with_name("cache.db-shm").unlink(), (b"1", b"2")),
    "its index is another": (
        lambda log: log.with_name("cache.db-shm").write_bytes(b"x" * 32768),
        (b"1", b"2"),
    ),
    "gone": (Path.unlink, (b"1", None)),
    "empty": (lambda log: os.truncate(log, 0), (b"1", None)),
    "cut": (lambda log: os.truncate(log, 4000), (b"1", None)),
    "a flipped bit in its header": (lambda log: _flip(log, 9), (b"1", None)),
    "a flipped bit in its first page": (lambda log: _flip(log, 300), (b"1", None)),
    "a folder": (lambda log: _instead(log, Path.mkdir), (None, None)),
    "a pipe": (lambda log: _instead(log, os.mkfifo), (None, None)),
    "a link": (lambda log: _instead(log, lambda path: path.symlink_to("/nothing/there")), (None, None)),
    "its index is a folder": (lambda log: _instead(log.with_name("cache.db-shm"), Path.mkdir), (None, None)),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_a_damaged_log_had_is_lost_and_nothing_else(killed: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "results"
    shutil.copytree(killed, folder)
    damage, left = LOGS[name]
    damage(folder / "cache.db-wal")
    results = Results(folder)
    assert (results.get("first"), results.get("second")) == left
    results.put("third", b"3", b"")
    assert results.get("third") == b"3"
    assert results.damaged == (left == (None, None))
    results.close()
    assert Results(folder).verify()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("database or disk is full", "free some space with `hermes cache gc`"),
        ("attempt to write a readonly database", "check who owns the folder"),
        ("unable to open database file", "check who owns the folder"),
        ("file is not a database", "run `hermes cache verify`"),
    ],
)
def test_errors_of_the_database_become_advice(tmp_path: Path, text: str, hint: str) -> None:
    error = _database_error(sqlite3.DatabaseError(text), tmp_path)
    assert error.message == f"the result cache in {tmp_path}: {text}"
    assert error.hint is not None
    assert error.hint.startswith(hint)

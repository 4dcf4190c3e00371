"""What a store holds and what is removed of it, counted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from hermes.digest import Digest
from hermes.store import Store, gc


def blocks(*paths: str | Path) -> int:
    return sum(os.lstat(path).st_blocks * 512 for path in paths)


def make_tree(store: Store, name: str, outside: Path) -> Path:
    tree = store.trees / name
    (tree / "root/a/b").mkdir(parents=True)
    (tree / "root/a/file").write_bytes(bytes(100_000))
    (tree / "root/a/b/other").write_bytes(b"x")
    (tree / "root/link").symlink_to(outside)
    return tree


def test_usage_counts_each_kind(store: Store, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(bytes(1 << 20))
    first, second = store.blobs.put(bytes(10_000)), store.blobs.put(bytes(20_000))
    os.link(store.blobs.path(second), tmp_path / "elsewhere")
    Path(store.log_path("key")).write_bytes(bytes(5000))
    (store.home / "compiled/a").write_bytes(bytes(6000))
    store.blob_sources.add(first, "registry.example/a")
    tree = make_tree(store, "f" * 64, tmp_path / "outside")
    found = gc.usage(store)
    assert found.kinds["blob"] == (2, blocks(*map(store.blobs.path, (first, second))))
    assert found.held == blocks(store.blobs.path(second))
    assert found.kinds["log"] == (1, blocks(store.log_path("key")))
    assert found.kinds["module"] == (1, blocks(store.home / "compiled/a"))
    assert found.kinds["note"] == (1, blocks(store.blob_sources.path(first)))
    du = subprocess.run(["du", "-sB1", tree], capture_output=True, text=True, check=True)
    assert found.kinds["tree"] == (1, int(du.stdout.split()[0]) - blocks(tree))


def test_gc_removes_folders_through_its_caller_and_then_forgets(store: Store, tmp_path: Path) -> None:
    digest = store.blobs.put(b"content")
    tree = make_tree(store, "f" * 64, tmp_path)
    done: list[object] = []

    def remove(paths: Iterable[str]) -> None:
        done.append(sorted(paths))

    found = gc.collect(store, 0, remove, forget=lambda: done.append(store.blobs.has(digest)))
    assert done == [[str(tree)], False]
    assert found.removed == 2


def test_verify_goes_on_behind_a_damaged_blob(store: Store) -> None:
    digests = sorted(store.blobs.put(b"%d" % number) for number in range(5))
    for digest in digests[1:3]:
        Path(store.blobs.path(digest)).chmod(0o644)
        Path(store.blobs.path(digest)).write_bytes(b"damaged")
    assert list(gc.verify(store)) == digests[1:3]


@pytest.mark.parametrize("size", [6, 8])
def test_a_blob_of_another_size_than_expected_counts_as_missing(store: Store, size: int) -> None:
    digest = store.blobs.put(b"content")
    assert not store.blobs.has(digest, size)
    assert not store.blobs.has(digest)


def test_a_damaged_blob_that_was_read_is_removed(store: Store) -> None:
    digest = store.blobs.put(b"content")
    path = Path(store.blobs.path(digest))
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(Exception, match="did not match its digest"):
        list(store.blobs.chunks(digest))
    assert not path.exists()


def test_writers_leave_no_open_file(store: Store) -> None:
    store.blobs.put(b"first")
    before = os.listdir("/proc/self/fd")
    for number in range(3):
        with store.blobs.writer() as writer:
            writer.write(b"half")
        store.blobs.put(b"%d" % number)
    assert os.listdir("/proc/self/fd") == before


def test_a_write_that_the_kernel_cuts_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel writes 2 GiB at most at once, and less where a signal comes or a disk gets full."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:3]))
    digest = store.blobs.put(b"content of ten and more")
    assert store.blobs.read(digest) == b"content of ten and more"


def test_a_store_opened_by_its_path_is_there(tmp_path: Path, home: Path) -> None:
    Store.open(tmp_path / "other").close()
    assert (tmp_path / "other/version").exists()
    assert not home.exists()
    Store.open().close()
    assert (home / "version").exists()


def test_a_store_without_a_path_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See the XDG Base Directory Specification."""
    monkeypatch.delenv("HERMES_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened = Store.open()
    opened.close()
    assert opened.home == tmp_path / "hermes"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))
    opened = Store.open()
    opened.close()
    assert opened.home == tmp_path / "somebody/.cache/hermes"


def test_a_closed_store_leaves_no_open_file_and_no_scratch_folder(home: Path) -> None:
    Store.open(home).close()
    before = os.listdir("/proc/self/fd")
    opened = Store.open(home)
    Path(opened.scratch.path()).mkdir()
    opened.results.put("key", b"result", b"preimage")
    opened.close()
    assert os.listdir("/proc/self/fd") == before
    assert os.listdir(home / "tmp") == []


def test_the_last_places_of_a_blob_are_kept(store: Store) -> None:
    digest = Digest.of(b"x")
    for number in range(40):
        store.blob_sources.add(digest, f"registry.example/{number}")
    found = store.blob_sources.of(digest)
    assert found[-1] == "registry.example/39"
    assert len(found) == len(set(found)) < 40
    store.blob_sources.add(digest, found[0])
    assert store.blob_sources.of(digest) == found
    store.blob_sources.remove(digest, found[0])
    assert store.blob_sources.of(digest) == found[1:]
    store.blob_sources.remove(digest, "registry.example/never")
    assert store.blob_sources.of(digest) == found[1:]

"""The store: blobs that are what their names say, locks that end with their holder."""

from __future__ import annotations

import fcntl
import gc as garbage
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hermes.digest import CHUNK, Digest, canonical_json
from hermes.errors import BuildError, HermesError, MissingBlobError, StoreError
from hermes.layer import encodings
from hermes.layer.encodings import Foreign
from hermes.store import Store, gc, removal
from hermes.store.io_errors import storing, writing
from hermes.store.location import is_made
from hermes.store.removal import remove_tree
from hermes.store.scratch import Scratch, abandoned


def test_a_blob_has_the_name_of_its_content(store: Store) -> None:
    digest = store.blobs.put(b"content")
    assert digest == Digest.of(b"content")
    assert store.blobs.read(digest) == b"content"
    assert store.blobs.has(digest, 7)
    assert os.stat(store.blobs.path(digest)).st_mode & 0o777 == 0o444


def test_a_blob_that_is_not_committed_leaves_nothing(store: Store) -> None:
    with store.blobs.writer() as writer:
        writer.write(b"half")
    assert os.listdir(store.blobs.folder) == []
    assert os.listdir(store.scratch.folder) == []


@pytest.mark.parametrize("damage", [b"other!!", b"longer than before", b""])
def test_a_damaged_blob_counts_as_missing(store: Store, damage: bytes) -> None:
    digest = store.blobs.put(b"content")
    path = Path(store.blobs.path(digest))
    path.chmod(0o644)
    path.write_bytes(damage)
    with pytest.raises(MissingBlobError):
        b"".join(store.blobs.chunks(digest))
    path.write_bytes(damage)
    assert not store.blobs.has(digest, 7)
    assert not path.exists()


def test_a_folder_in_place_of_a_blob_counts_as_missing(store: Store) -> None:
    digest = Digest.of(b"content")
    path = Path(store.blobs.path(digest))

    def look(call: Callable[[], object]) -> None:
        path.mkdir()
        (path / "file").touch()
        assert not call()
        assert not path.exists()

    look(lambda: store.blobs.has(digest))
    look(lambda: store.blobs.verify(digest))
    for call in (store.blobs.read, store.blobs.open):
        path.mkdir()
        with pytest.raises(MissingBlobError):
            call(digest)
        assert not path.exists()
    path.mkdir()
    assert store.blobs.put(b"content") == digest
    assert store.blobs.read(digest) == b"content"


def test_what_is_put_again_is_whole(store: Store) -> None:
    """A blob that lost a bit on the disk, its size and time as before, does not stand for the bytes that are at hand."""
    digest = store.blobs.put(b"content")
    path = Path(store.blobs.path(digest))
    status = path.stat()
    time.sleep(0.05)
    path.chmod(0o644)
    path.write_bytes(b"Content")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    store.blobs.put(b"content")
    assert path.read_bytes() == b"content"


def test_a_missing_blob_is_named(store: Store) -> None:
    with pytest.raises(MissingBlobError) as caught:
        store.blobs.read(Digest.of(b"nothing"))
    assert caught.value.digest == Digest.of(b"nothing")


@pytest.mark.parametrize(
    "text", ["", "sha256:12", "sha256:" + "A" * 64, "md5:" + "a" * 64, "sha256:" + "a" * 65]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(HermesError):
        Digest.parse(text)


def test_canonical_json_is_one_text_for_one_value() -> None:
    assert canonical_json({"b": [1, "ü", None], "a": True}) == '{"a":true,"b":[1,"ü",null]}'.encode()
    assert canonical_json(os.fsdecode(b"\xff")) == b'"\xff"'
    with pytest.raises(TypeError):
        canonical_json({"a": [1.5]})


HOLDER = """
import sys, time
from pathlib import Path
from hermes.store.locks import KeyLocks
with KeyLocks(Path(sys.argv[1])).held("key"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_held_between_processes_and_ends_with_its_holder(store: Store) -> None:
    path = str(store.home / "locks")
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with store.locks.tried("key") as taken:
            assert not taken
        with store.locks.tried("another") as taken:
            assert taken
        holder.kill()
    with store.locks.held("key"):
        pass


def test_threads_exclude_each_other_and_readers_share(store: Store) -> None:
    inside = threading.Barrier(2, timeout=10)

    def read() -> None:
        with store.locks.held("key", shared=True):
            inside.wait()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.locks.held("key"), store.locks.tried("key") as taken:
        assert not taken


def test_nobody_who_comes_later_passes_one_that_waits_for_a_lock_alone(store: Store) -> None:
    """Commands that overlap without end would keep `gc` out for ever."""
    order: list[str] = []
    waits = threading.Event()

    def write() -> None:
        with store.locks.held_in_turn("key", waiting=waits.set):
            order.append("written")

    def read() -> None:
        with store.locks.held_in_turn("key", shared=True, waiting=asked.set):
            order.append("read")

    with store.locks.held_in_turn("key", shared=True):
        writer, reader = threading.Thread(target=write), threading.Thread(target=read)
        writer.start()
        assert waits.wait(10)
        asked = threading.Event()
        reader.start()
        assert asked.wait(10), "the later reader did not wait"
        assert order == []
    writer.join(10)
    reader.join(10)
    assert order == ["written", "read"]


def test_readers_in_turn_share(store: Store) -> None:
    with store.locks.held_in_turn("key", shared=True), store.locks.held_in_turn("key", shared=True):
        pass


def test_what_uses_a_store_may_use_it_again_while_gc_waits(store: Store, home: Path) -> None:
    waits = threading.Event()
    collecting = threading.Thread(
        target=lambda: gc.collect(store, 0, remove=lambda _: None, waiting=waits.set)
    )
    another = Store.open(home)
    with store.in_use():
        collecting.start()
        assert waits.wait(10)
        with another.in_use(), store.in_use():
            pass
        assert collecting.is_alive()
    collecting.join(10)
    assert not collecting.is_alive()
    with store.in_use(), another.locks.tried("gc") as alone:
        assert not alone


def test_a_store_without_its_locks_says_so(store: Store) -> None:
    """A command of another user may have made the file; root is refused a folder alone."""
    (store.home / "locks").unlink(missing_ok=True)
    (store.home / "locks").mkdir()
    with pytest.raises(StoreError, match="locks"), store.locks.held("name"):
        pass
    with pytest.raises(StoreError, match="locks"), store.locks.tried("name"):
        pass


def test_waiting_for_a_lock_can_be_given_up(store: Store) -> None:
    def give_up() -> None:
        raise InterruptedError

    with store.locks.held("key"), pytest.raises(InterruptedError), store.locks.held("key", waiting=give_up):
        pass


LEAVER = """
import os, sys
from pathlib import Path
from hermes.store import Store
open(Store.open(Path(sys.argv[1])).scratch.path(), "w").close()
print("ready", flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_found(store: Store) -> None:
    command = [sys.executable, "-c", LEAVER, str(store.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert abandoned(store.home / "tmp") == []
        process.communicate(b"")
    (left,) = abandoned(store.home / "tmp")
    assert os.listdir(left) == ["1"]


def test_who_looks_for_leftovers_does_not_mind_others_who_begin(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one looks after each step of a process that makes its folder."""
    tmp = store.home / "tmp"
    looks: list[list[Path]] = []
    looking = threading.Lock()

    def watched(step: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            result = step(*arguments, **options)
            if looking.acquire(blocking=False):
                looks.append(abandoned(tmp))
                looking.release()
            return result

        return call

    for module, name in ((os, "open"), (os, "mkdir"), (os, "rename"), (os, "close"), (fcntl, "flock")):
        monkeypatch.setattr(module, name, watched(getattr(module, name)))
    held = Scratch(tmp).folder
    monkeypatch.undo()
    assert len(looks) == 8
    assert not any(looks)
    assert os.path.basename(held) in os.listdir(tmp)


def test_a_folder_of_any_depth_is_removed_and_nothing_else(store: Store, tmp_path: Path) -> None:
    """Whoever makes a layer says how deep it is; what cannot be removed would stop every later command."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    folder = store.scratch.path()
    os.mkdir(folder)
    (Path(folder) / "link").symlink_to(outside)
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(2500):  # more than there are descriptors, frames, or levels in a path of 4 KiB
        os.mkdir("a", dir_fd=fd)
        os.close(os.open("file", os.O_CREAT, dir_fd=fd))
        below = os.open("a", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    garbage.collect()  # what tests before this one left open
    before = os.listdir("/proc/self/fd")
    remove_tree(folder)
    assert os.listdir("/proc/self/fd") == before
    assert not os.path.lexists(folder)
    remove_tree(folder)
    assert (outside / "file").exists()


def test_a_folder_that_is_moved_while_it_is_removed_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doomed/a/b").mkdir(parents=True)
    (tmp_path / "elsewhere/b").mkdir(parents=True)
    moved = removal._moved

    def moving(fd: int, name: str) -> int:
        if name == ".." and (tmp_path / "doomed/a/b").exists():
            (tmp_path / "doomed/a/b").rename(tmp_path / "elsewhere/b")
        return moved(fd, name)

    monkeypatch.setattr(removal, "_moved", moving)
    remove_tree(str(tmp_path / "doomed"))
    assert (tmp_path / "elsewhere/b").exists()


def test_a_scratch_folder_goes_with_what_is_in_it(store: Store) -> None:
    with store.scratch.directory() as path:
        (path / "a/b").mkdir(parents=True)
        (path / "a/file").touch()
        assert path.stat().st_mode & 0o777 == 0o700
    assert os.listdir(store.scratch.folder) == []


def test_of_the_scratch_folders_those_count_as_left_that_nobody_makes_or_holds(store: Store) -> None:
    tmp = store.home / "tmp"
    held = store.scratch.folder
    for name in ("1-a", "2-b", ".3-killed"):
        (tmp / name).mkdir()
    for number in range(5):
        (tmp / f"file{number}").touch()
    found = abandoned(tmp)
    assert sorted(path.name for path in found) == [".3-killed", "1-a", "2-b"]
    assert Path(held) not in found
    making = os.open(tmp, os.O_RDONLY)
    fcntl.flock(making, fcntl.LOCK_SH)
    assert sorted(path.name for path in abandoned(tmp)) == ["1-a", "2-b"]
    os.close(making)


def test_gc_removes_what_was_not_used_for_longest(store: Store) -> None:
    digests = []
    for number in range(4):
        digests.append(store.blobs.put(bytes([number]) * 8192))
        os.utime(store.blobs.path(digests[-1]))
        os.sched_yield()
    linked = store.home / "linked"
    os.link(store.blobs.path(digests[0]), linked)
    found = gc.collect(store, 2 * 8192, lambda folders: None)
    assert (found.removed, found.left) == (1, 2 * 8192)
    assert store.blobs.has(digests[0])
    assert not store.blobs.has(digests[1])


def test_gc_removes_notes_of_blobs_elsewhere_as_the_rest(store: Store) -> None:
    digest, layer = (Digest.of(text) for text in (b"blob", b"layer"))
    store.blob_sources.add(digest, "registry.example/a")
    encodings.record_foreign(store, layer, Foreign(digest, 4, "application/vnd.oci.image.layer.v1.tar"))
    (store.home / "toc" / layer.hex).write_text("a table")
    count, size = gc.usage(store).kinds["note"]
    assert (count, size) == (2, 2 * 4096)
    held = [store.blob_sources.path(digest)]
    assert gc.collect(store, size, lambda folders: None).removed == 0
    assert gc.collect(store, 0, lambda folders: None, lambda: held).removed == 1
    assert store.blob_sources.of(digest) == ("registry.example/a",)
    assert encodings.find_foreign(store, layer) is None
    assert gc.collect(store, 0, lambda folders: None).removed == 1
    assert store.blob_sources.of(digest) == ()
    assert (store.home / "toc" / layer.hex).exists()


def test_the_size_of_a_store_can_be_asked_for_while_gc_runs(store: Store) -> None:
    digests = [store.blobs.put(b"%d" % number) for number in range(2000)]
    begun = threading.Event()

    def collect() -> None:
        begun.set()
        for digest in digests:
            store.blobs.remove(digest)

    collecting = threading.Thread(target=collect)
    collecting.start()
    begun.wait()
    while collecting.is_alive():
        gc.usage(store)
    assert gc.usage(store).kinds["blob"] == (0, 0)


def test_verify_finds_a_damaged_blob(store: Store) -> None:
    digest = store.blobs.put(b"content")
    assert list(gc.verify(store)) == []
    path = Path(store.blobs.path(digest))
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert list(gc.verify(store)) == [digest]


@pytest.mark.parametrize("text", ["2\n", "nonsense"])
def test_a_store_of_another_version_is_refused(home: Path, text: str) -> None:
    Store.open(home).close()
    (home / "version").write_text(text)
    with pytest.raises(StoreError):
        Store.open(home)


def test_who_looks_at_a_store_never_sees_half_of_its_version(home: Path) -> None:
    homes = [home / str(number) for number in range(60)]
    wrong: list[StoreError] = []

    def watch() -> None:
        for one in homes:
            try:
                while not is_made(one):
                    pass
            except StoreError as error:
                wrong.append(error)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    for one in homes:
        Store.open(one).close()
    watcher.join()
    assert wrong == []


def test_errors_of_the_system_become_advice() -> None:
    with pytest.raises(StoreError, match="no space left"), storing("/store"):
        raise OSError(28, "No space left on device", "/store/x")
    with pytest.raises(StoreError, match="no permission"), storing("/store"):
        raise PermissionError(13, "Permission denied", "/store/x")
    with pytest.raises(BuildError, match="cannot be written"), writing("/out"):
        raise OSError(30, "Read-only file system", "/out/x")


def test_files_of_images_are_out_of_reach_of_others(store: Store) -> None:
    """A layer may hold setuid programs, which must not become programs of this machine."""
    for name in ("trees", "containers", "caches", "tmp"):
        assert (store.home / name).stat().st_mode & 0o077 == 0


def test_a_blob_in_pieces_is_its_bytes_or_an_error_at_the_end(store: Store) -> None:
    data = os.urandom(CHUNK + 5)
    digest = store.blobs.put(data)
    assert b"".join(store.blobs.chunks(digest)) == data
    path = Path(store.blobs.path(digest))
    path.chmod(0o644)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(MissingBlobError, match="did not match its digest"):
        list(store.blobs.chunks(digest))
    assert not path.exists()


def test_a_store_whose_version_cannot_be_read_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    Store.open(tmp_path / "home").close()
    version = tmp_path / "home/version"
    version.unlink()
    version.mkdir()
    with pytest.raises(StoreError, match="cannot read the store"):
        Store.open(tmp_path / "home")
    assert version.is_dir()

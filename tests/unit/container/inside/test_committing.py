"""The tree of a layer that several processes have made at once."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hermes.container.inside.committing import publish
from hermes.digest import Digest
from hermes.layer.trees import Passing, describe_tree, is_sealed, seal
from hermes.store import Store

LAYER = Digest.of(b"layer")


def made(store: Store, text: str) -> str:
    folder = store.scratch.path()
    os.makedirs(f"{folder}/root")
    Path(folder, "root/f").write_text(text)
    describe_tree(folder, Passing(), {})
    return folder


def test_a_tree_that_is_as_it_should_be_stays(store: Store) -> None:
    publish(store, LAYER, made(store, "first"))
    publish(store, LAYER, made(store, "second"))
    assert (store.trees / LAYER.hex / "root/f").read_text() == "first"


def test_a_changed_tree_is_replaced_also_by_several_at_once(store: Store) -> None:
    there = store.trees / LAYER.hex
    for _ in range(20):
        publish(store, LAYER, made(store, "first"))
        (there / "root/f").write_text("changed")
        (there / "sealed").write_bytes(b"1\0root/f")
        folders = [made(store, "second") for _ in range(4)]
        begin = threading.Barrier(len(folders))

        def publish_one(folder: str, begin: threading.Barrier = begin) -> None:
            begin.wait()
            publish(store, LAYER, folder)

        with ThreadPoolExecutor(len(folders)) as pool:
            list(pool.map(publish_one, folders))
        assert (there / "root/f").read_text() == "second"
        assert is_sealed(str(there))
        os.rename(there, store.scratch.path())


def test_a_whiteout_may_lose_the_name_that_overlayfs_gave_it_first(store: Store, tmp_path: Path) -> None:
    folder = made(store, "text")
    os.mknod(tmp_path / "shared", stat.S_IFCHR, 0)
    for name in ("gone", "away"):
        os.link(tmp_path / "shared", f"{folder}/root/{name}")
    seal(folder)
    with open(f"{folder}/later", "wb") as file:  # when the clock of the file system has gone on
        while os.fstat(file.fileno()).st_ctime_ns <= int(Path(folder, "sealed").read_bytes().split(b"\0")[0]):
            os.utime(file.fileno())
    (tmp_path / "shared").unlink()
    assert is_sealed(folder)
    os.unlink(f"{folder}/root/gone")
    assert not is_sealed(folder)

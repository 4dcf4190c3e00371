"""Any tree goes through a layer and comes back the same; the same tree gives the same bytes."""

from __future__ import annotations

import io
import os
import random
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hermes.layer import toc
from hermes.layer.apply import TreeWriter
from hermes.layer.canonical import canonical
from hermes.layer.content import BytesContent
from hermes.layer.diff import changes
from hermes.layer.entry import DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry
from hermes.layer.tar_reader import members
from hermes.layer.write import Item, WrittenLayer, write_layer
from hermes.store import Store
from tests.properties import examples
from tests.unit.layer.trees import Node, make, seen, trees

ROOT = os.geteuid() == 0
KINDS = {"file": FILE, "folder": DIRECTORY, "link": SYMLINK, "fifo": FIFO}


def items_of(tree: dict[str, Node]) -> list[Item]:
    """Return a tree as entries, in the order that it was drawn in."""
    found: list[Item] = []
    for path, node in tree.items():
        if node.kind == "hard":
            found.append((Entry(path, HARDLINK, 0o644, link=node.target), None))
            continue
        uid, gid = node.owner if ROOT else (0, 0)
        entry = Entry(
            path,
            KINDS[node.kind],
            node.mode,
            uid,
            gid,
            len(node.content),
            link=node.target,
            xattrs=node.xattrs,
        )
        found.append((entry, BytesContent(node.content) if node.content else None))
    return found


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder))
        yield store
        store.close()


def layer_of(tree: dict[str, Node], store: Store) -> tuple[WrittenLayer, bytes]:
    """Return a tree as a layer, and its tar."""
    written = write_layer(canonical(items_of(tree), name="test"), blobs=store.blobs)
    return written, store.blobs.read(written.toc.diff_id)


def extract(tar: bytes, root: Path) -> None:
    writer = TreeWriter(str(root), name="test")
    for member in members(io.BytesIO(tar).read, name="test"):
        writer.add(member.entry, member.content)
    writer.finish()


@examples(150)
@given(trees())
def test_a_tree_goes_through_a_layer_and_comes_back_the_same(shared: Store, tree: dict[str, Node]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made, back = Path(folder, "made"), Path(folder, "back")
        made.mkdir()
        back.mkdir()
        make(tree, made, own=ROOT)
        extract(layer_of(tree, shared)[1], back)
        assert seen(back) == seen(made)


@examples(150)
@given(trees(), st.randoms(use_true_random=False))
def test_the_same_tree_in_another_order_gives_the_same_bytes(
    shared: Store, tree: dict[str, Node], chance: random.Random
) -> None:
    files = [item for item in items_of(tree) if item[0].type != HARDLINK]
    links = [item for item in items_of(tree) if item[0].type == HARDLINK]
    first = write_layer(canonical([*files, *links], name="test"), blobs=None)
    chance.shuffle(files)
    chance.shuffle(links)
    assert write_layer(canonical([*files, *links], name="test"), blobs=None).toc.diff_id == first.toc.diff_id


@examples(150)
@given(trees())
def test_reading_gives_the_entries_that_were_written(shared: Store, tree: dict[str, Node]) -> None:
    written, tar = layer_of(tree, shared)
    read = []
    for member in members(io.BytesIO(tar).read, name="test"):
        content = b"".join(member.content)
        assert len(content) == member.entry.size
        read.append(member.entry)
    assert [one._replace(digest="") for one in written.toc.entries] == read
    assert [one.sort_key for one in read] == sorted(one.sort_key for one in read)


@examples(150)
@given(trees())
def test_a_table_of_contents_survives_the_disk(shared: Store, tree: dict[str, Node]) -> None:
    table = layer_of(tree, shared)[0].toc
    toc.save(shared, table)
    again = toc.load(shared, table.diff_id)
    assert list(again.entries) == list(table.entries)
    assert (again.diff_id, again.size) == (table.diff_id, table.size)


@examples(150)
@given(trees())
def test_python_reads_the_same_from_the_tar(shared: Store, tree: dict[str, Node]) -> None:
    written, tar = layer_of(tree, shared)
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as archive:
        found = archive.getmembers()
        for info, entry in zip(found, written.toc.entries, strict=True):
            assert info.name == entry.path
            assert (info.mode, info.uid, info.gid, info.mtime) == (entry.mode, entry.uid, entry.gid, 0)
            assert info.linkname == entry.link
            assert info.type == entry.type.encode()
            assert (info.uname, info.gname) == ("", "")
    assert tar.endswith(bytes(1024))
    assert len(tar) == written.toc.size


@settings(max_examples=15, deadline=None)
@given(trees())
def test_gnu_tar_extracts_the_same(shared: Store, tree: dict[str, Node]) -> None:
    """But for a folder in one with the bit setgid: GNU tar leaves it what it inherits, whatever the archive says."""
    given = ((node, tree.get(os.path.dirname(path))) for path, node in tree.items())
    assume(not any(node.kind == "folder" and above and above.mode & stat.S_ISGID for node, above in given))
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        ours.mkdir()
        theirs.mkdir()
        tar = layer_of(tree, shared)[1]
        extract(tar, ours)
        command = ["tar", "-xpf", "-", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", str(theirs)]
        subprocess.run(command, input=tar, check=True, capture_output=True)
        assert seen(theirs) == seen(ours)


@pytest.mark.skipif(not ROOT, reason="an overlay's changes are made by hand, with device nodes")
@settings(max_examples=40, deadline=None)
@given(trees(), trees())
def test_the_difference_of_two_trees_leads_from_one_to_the_other(
    shared: Store, below: dict[str, Node], above: dict[str, Node]
) -> None:
    """What an overlay would have in its upper directory becomes a layer, which gives that directory again."""
    with tempfile.TemporaryDirectory() as folder:
        lower, upper, back = Path(folder, "lower"), Path(folder, "upper"), Path(folder, "back")
        for one in (lower, upper, back):
            one.mkdir()
        make(below, lower, own=True)
        make(above, upper, own=True)
        found = changes(str(upper), str(lower), mtime=0)
        written = write_layer(found.items(str(upper)), blobs=shared.blobs)
        extract(shared.blobs.read(written.toc.diff_id), back)
        described = {os.fsencode(entry.path) for entry in found.entries}
        ours, theirs = seen(back), seen(upper)
        assert ours.keys() == theirs.keys()
        for path in described:
            assert ours[path] == theirs[path]

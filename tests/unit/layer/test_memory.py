"""How much memory an entry of a large layer takes: a million of them must fit into 400 MB in each command."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from hermes.digest import Digest
from hermes.layer import canonical as canonical_module
from hermes.layer import rows, toc
from hermes.layer.canonical import canonical
from hermes.layer.conflicts import conflicts
from hermes.layer.content import RegionContent, Spool
from hermes.layer.entry import DIRECTORY, FILE, Entry
from hermes.layer.folders import Folders
from hermes.layer.left import Left
from hermes.layer.toc import TableOfContents
from hermes.layer.write import Item, write_layer
from hermes.store import Store

FEW, MANY = 3000, 9000
DIFF_ID = Digest.of(b"tar")
FILE_LAYER = TableOfContents(DIFF_ID, 0, [Entry("usr/share/other", FILE, 0o644)])


def entries(count: int, *, digest: str = "") -> Iterator[Entry]:
    for number in range(count):
        if number % 100 == 0:
            folder = f"usr/share/package-{number:07}/files"
            yield Entry(folder, DIRECTORY, 0o755, mtime=1_700_000_000)
        path = f"{folder}/name-of-{number:07}.txt"
        content = f"{number:064x}" if digest else ""
        yield Entry(path, FILE, 0o644, size=number + 300, digest=content, mtime=1_700_000_000)


def imported(store: Store, count: int) -> None:
    left = Left("test", store.scratch)
    for entry in entries(count, digest="x"):
        left.add(entry)
    toc.save(store, TableOfContents(DIFF_ID, 0, left.entries()))


def made(store: Store, count: int) -> None:
    spool = Spool(store.scratch.unnamed())
    try:

        def items() -> Iterator[Item]:
            for number, entry in enumerate(entries(count)):
                region = RegionContent(spool, 1000 * number, entry.size)
                yield entry._replace(size=0), region if entry.type == FILE else None

        ordered = canonical(items(), name="test")
        write_layer(ordered, blobs=None, scratch=store.scratch)
    finally:
        spool.close()


def read(store: Store, count: int) -> None:
    assert sum(1 for _ in toc.load(store, DIFF_ID).entries) > count


def compared(store: Store, count: int) -> None:
    table = toc.load(store, DIFF_ID)
    assert not list(conflicts([table, FILE_LAYER], {}))
    assert not list(conflicts([FILE_LAYER, table], {}))


def described(store: Store, count: int) -> None:
    assert len(Folders.of(toc.load(store, DIFF_ID)).covered) == count


@pytest.mark.parametrize(
    ("work", "bound"), [(imported, 170), (made, 380), (read, 20), (compared, 170), (described, 220)]
)
def test_an_entry_of_a_large_layer_takes_little_memory(
    store: Store, monkeypatch: pytest.MonkeyPatch, work: Callable[[Store, int], None], bound: int
) -> None:
    """Bytes in Python's objects for each further entry. As an object an entry takes some 450, and as a list of JSON 300 more."""
    monkeypatch.setattr(rows, "_MOST_IN_MEMORY", 300)
    monkeypatch.setattr(canonical_module, "_MOST_AS_OBJECTS", 300)
    monkeypatch.setattr(toc, "_LARGE", 1 << 16)
    monkeypatch.setattr(rows, "CHUNK", 1 << 16)
    peaks = []
    for count in (FEW, MANY):
        if work not in (imported, made):
            imported(store, count)
        tracemalloc.start()
        try:
            work(store, count)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / (MANY - FEW) < bound

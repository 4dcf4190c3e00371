"""Writing a layer: what goes wrong while it is read or stored is an error, wherever in it that is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermes.digest import CHUNK
from hermes.errors import LayerError, SourceError, StoreError
from hermes.layer.content import BytesContent, FileContent, signature
from hermes.layer.entry import FILE, Entry
from hermes.layer.shape import Shape
from hermes.layer.write import write_layer
from hermes.store import BlobWriter, Store


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_file_that_changed_since_it_was_looked_at_is_an_error(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * size)
    entry = Entry("file", FILE, 0o644, size=size)
    content = FileContent(str(path), size, signature(path.stat()))
    write_layer([(entry, content)], blobs=None)
    path.write_bytes(b"b" * size)
    os.utime(path, ns=(0, 0))
    with pytest.raises(SourceError, match="changed while it was being read"):
        write_layer([(entry, content)], blobs=None)


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_disk_that_is_full_at_any_chunk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    """Also when it is the last one, which a thread of its own writes."""
    written = 0
    write = BlobWriter.write

    def failing(self: BlobWriter, data: bytes | bytearray | memoryview) -> None:
        nonlocal written
        written += 1
        if written == fails_at:
            raise OSError(28, "No space left on device")
        write(self, data)

    monkeypatch.setattr(BlobWriter, "write", failing)
    store = Store.open(tmp_path / "home")
    content = BytesContent(b"x" * (2 * CHUNK))
    with pytest.raises(StoreError, match="no space left"):
        write_layer([(Entry("file", FILE, 0o644, size=2 * CHUNK), content)], blobs=store.blobs)
    assert os.listdir(store.blobs.folder) == []


def test_a_folder_is_replaced_with_all_that_came_into_it_since() -> None:
    """Also when it had been replaced before, and what it holds now came after that."""
    shape = Shape("test")
    shape.add(Entry("a/first", FILE, 0o644))
    assert sorted(shape.add(Entry("a", FILE, 0o644)).removed) == ["a", "a/first"]
    assert shape.add(Entry("a", "5", 0o755)).removed == ["a"]
    shape.add(Entry("a/b/second", FILE, 0o644))
    assert sorted(shape.add(Entry("a", FILE, 0o644)).removed) == ["a", "a/b", "a/b/second"]


@pytest.mark.parametrize("after", ["cut", "longer", "as it was"])
def test_a_file_of_another_size_than_it_was_is_an_error_while_it_is_read(tmp_path: Path, after: str) -> None:
    """Also without a signature: what a tar's header says is the size that is written."""
    path = tmp_path / "file"
    size = CHUNK + 1000
    path.write_bytes(bytes(size))
    pieces = iter(FileContent(str(path), size).chunks())
    read = len(next(pieces))
    if after == "as it was":
        assert read + sum(map(len, pieces)) == size
        return
    os.truncate(path, CHUNK if after == "cut" else size + 1)
    with pytest.raises(SourceError, match="file"):
        list(pieces)


def test_content_of_another_size_than_its_entry_is_an_error() -> None:
    for data in (b"x", b"xyz"):
        with pytest.raises(LayerError, match=f"a: has {len(data)} bytes, not 2"):
            write_layer([(Entry("a", FILE, 0o644, size=2), BytesContent(data))], blobs=None)

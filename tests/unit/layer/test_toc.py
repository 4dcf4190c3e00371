"""Tables of contents on disk: a damaged one is told of and removed, so that it is made again."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given

from hermes.digest import Digest
from hermes.errors import MissingBlobError, StoreError
from hermes.layer import rows, toc
from hermes.layer.entry import DIRECTORY, FILE, Entry
from hermes.layer.rows import Collected, Rows, pieces
from hermes.layer.toc import TableOfContents
from hermes.store import Store
from tests.properties import changed, examples

DIFF_ID = Digest.of(b"tar")
ENTRIES = [
    Entry("a", DIRECTORY, 0o755, passed=True),
    Entry("a/b", FILE, 0o644, 1, 2, 3, "f" * 64, xattrs=(("user.x", b"\0"),), mtime=7),
    Entry("dev", "3", 0o600, device=(1, 3)),
]
TABLE = TableOfContents(DIFF_ID, 2048, ENTRIES)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"version": 1, "entries": [[]]}',
        b'{"version": 1, "entries": [["a", "0", 1]]}',
        b'{"version": 1, "entries": ' + b"[" * 100_000,
        TABLE.dump().replace(b'"version":1', b'"version":2'),
        TABLE.dump().replace(DIFF_ID.encode(), b"sha256:0"),
    ],
)
def test_a_damaged_table_is_removed(store: Store, data: bytes) -> None:
    store.write(store.toc_path(DIFF_ID), data)
    with pytest.raises(MissingBlobError, match="was damaged"):
        toc.load(store, DIFF_ID)
    with pytest.raises(StoreError, match="has no table of contents"):
        toc.load(store, DIFF_ID)


@pytest.mark.parametrize("large", [False, True])
def test_a_table_is_read_as_it_was_written(
    store: Store, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    entries = [ENTRIES[0]._replace(path=f"folder{number}") for number in range(600)]
    entries += [ENTRIES[1], ENTRIES[2]._replace(path="dev\udcff\n")]
    collected = Collected(store.scratch)
    if large:
        monkeypatch.setattr(rows, "_MOST_IN_MEMORY", 7)
        monkeypatch.setattr(toc, "_LARGE", 500)
    for entry in entries:
        collected.add(entry)
    kept = collected.entries()
    toc.save(store, TableOfContents(DIFF_ID, 9, kept))
    found = toc.load(store, DIFF_ID)
    assert isinstance(found.entries, Rows) == isinstance(kept, Rows) == large
    assert (found.diff_id, found.size, len(found.entries)) == (DIFF_ID, 9, len(entries))
    assert list(kept) == list(found.entries) == list(found.entries) == entries
    assert list(TableOfContents.load(found.dump()).entries) == entries


def test_a_large_table_that_lost_a_bit_is_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toc, "_LARGE", 150)
    data = TABLE.dump()
    for place in (12, 80, 170, len(data) - 30):
        store.write(store.toc_path(DIFF_ID), data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(MissingBlobError, match="was damaged"):
            toc.load(store, DIFF_ID)
        assert not os.path.exists(store.toc_path(DIFF_ID))


def test_tables_of_earlier_versions_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are one line, had no count, and the first ones no check."""
    monkeypatch.setattr(toc, "_LARGE", 150)
    document = json.loads(TABLE.dump())
    del document["check"], document["count"]
    body = json.dumps(document, separators=(",", ":")).encode()
    checked = b'{"check":"%s",' % hashlib.sha256(body[1:]).hexdigest().encode() + body[1:]
    for data in (body, checked):
        store.write(store.toc_path(DIFF_ID), data)
        assert list(toc.load(store, DIFF_ID).entries) == ENTRIES


@examples(400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed(json.loads(TABLE.dump())))
def test_a_changed_table_is_read_or_counts_as_damaged(store: Store, document: Any) -> None:
    store.write(store.toc_path(DIFF_ID), json.dumps(document).encode())
    with suppress(MissingBlobError):
        toc.load(store, DIFF_ID)


def test_a_table_of_another_version_or_that_is_cut_is_not_read(tmp_path: Path) -> None:
    data = TableOfContents(Digest.of(b""), 0, [Entry("a", FILE, 0o644)]).dump()
    unchecked = b"{" + data[data.index(b'"version"') :]
    assert list(TableOfContents.load(unchecked).entries) == [Entry("a", FILE, 0o644)]
    with pytest.raises(ValueError, match=r"^version 2$"):
        TableOfContents.load(unchecked.replace(b'"version":1', b'"version":2'))
    (tmp_path / "file").write_bytes(data)
    with open(tmp_path / "file", "rb") as file:
        assert b"".join(pieces(file.fileno(), 0, len(data))) == data
        with pytest.raises(ValueError, match="cut short"):
            list(pieces(file.fileno(), 0, len(data) + 1))

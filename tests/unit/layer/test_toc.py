"""Tables of contents on disk: a damaged one is told of and removed, so that it is made again."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given

from hermes.digest import Digest
from hermes.errors import MissingBlobError, StoreError
from hermes.layer import toc
from hermes.layer.entry import DIRECTORY, FILE, Entry
from hermes.layer.toc import TableOfContents
from hermes.store import Store
from tests.properties import changed, examples

DIFF_ID = Digest.of(b"tar")
TABLE = TableOfContents(
    DIFF_ID,
    2048,
    [
        Entry("a", DIRECTORY, 0o755, passed=True),
        Entry("a/b", FILE, 0o644, 1, 2, 3, "f" * 64, xattrs=(("user.x", b"\0"),), mtime=7),
        Entry("dev", "3", 0o600, device=(1, 3)),
    ],
)


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


@examples(400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed(json.loads(TABLE.dump())))
def test_a_changed_table_is_read_or_counts_as_damaged(store: Store, document: Any) -> None:
    store.write(store.toc_path(DIFF_ID), json.dumps(document).encode())
    with suppress(MissingBlobError):
        toc.load(store, DIFF_ID)

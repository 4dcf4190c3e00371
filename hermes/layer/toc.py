"""Tables of contents: what is in a layer, without its bytes.

On disk a table is JSON: ``{"version", "diff_id", "size", "entries"}``, where an entry is the list ``[path,
type, mode, uid, gid, size, sha256, link]``, followed by ``{"xattrs": {name: base64}, "device": [major,
minor], "mtime": seconds, "passed": true}`` with those that are not empty. ``passed`` marks a directory that the layer
only passes through; see `Entry`. Its first member is ``"check"``: the sha256 in hexadecimal of all bytes of the file
that come after its comma. Tables of earlier versions do not have it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hermes.digest import Digest
from hermes.errors import HermesError, MissingBlobError, StoreError
from hermes.layer.entry import Entry
from hermes.store import Store
from hermes.store.removal import remove_tree

_VERSION: Final = 1
_CHECK: Final = b'{"check":"%s",'
_BODY: Final = len(_CHECK % (b"0" * 64))
_DAMAGES: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    IsADirectoryError,
    HermesError,
)


@dataclass(frozen=True, slots=True)
class TableOfContents:
    """The entries of one layer in their order, its diff_id, and the size of its tar in bytes."""

    diff_id: Digest
    size: int
    entries: Sequence[Entry]

    def dump(self) -> bytes:
        rows = [row_of_entry(entry) for entry in self.entries]
        document = {"version": _VERSION, "diff_id": self.diff_id, "size": self.size, "entries": rows}
        body = json.dumps(document, separators=(",", ":")).encode()[1:]
        return _CHECK % hashlib.sha256(body).hexdigest().encode() + body

    @classmethod
    def load(cls, data: bytes) -> TableOfContents:
        """Return what was dumped; raises `ValueError`, or what comes of damage, when ``data`` is not that."""
        if data.startswith(_CHECK[:10]):
            body = memoryview(data)[_BODY:]
            if data[:_BODY] != _CHECK % hashlib.sha256(body).hexdigest().encode():
                raise ValueError("its check does not match")
        document = json.loads(data)
        if document["version"] != _VERSION:
            raise ValueError(f"version {document['version']}")
        entries = [entry_of_row(row) for row in document["entries"]]
        return cls(Digest.parse(document["diff_id"]), document["size"], entries)


def save(store: Store, toc: TableOfContents) -> None:
    """Put a table of contents into the store."""
    store.write(store.toc_path(toc.diff_id), toc.dump())


def load(store: Store, diff_id: Digest) -> TableOfContents:
    """Return the table of contents of a layer.

    Raises `StoreError` when it is not there, and `MissingBlobError` for a damaged one, which is removed: the layer is then
    made again, or its table from a blob (`hermes.layer.importing.restore`).
    """
    path = store.toc_path(diff_id)
    try:
        with open(path, "rb") as file:
            return TableOfContents.load(file.read())
    except FileNotFoundError:
        raise StoreError(f"the store has no table of contents of layer {diff_id}") from None
    except _DAMAGES as error:
        remove_tree(path)
        raise MissingBlobError(
            f"the table of contents of layer {diff_id} was damaged",
            digest=diff_id,
            hint="run the command again, or pull the image again",
        ) from error


def row_of_entry(entry: Entry) -> list[Any]:
    """Return an entry as a table has it."""
    row: list[Any] = list(entry[:8])
    more: dict[str, Any] = {}
    if entry.xattrs:
        more["xattrs"] = {name: base64.b64encode(value).decode() for name, value in entry.xattrs}
    if entry.device != (0, 0):
        more["device"] = entry.device
    if entry.mtime:
        more["mtime"] = entry.mtime
    if entry.passed:
        more["passed"] = True
    if more:
        row.append(more)
    return row


def entry_of_row(row: list[Any]) -> Entry:
    """Return the entry that a row of a table is."""
    if len(row) == 8:
        return Entry(*row)
    more = row.pop()
    path, kind, mode, uid, gid, size, digest, link = row
    xattrs = tuple((name, base64.b64decode(value)) for name, value in more.get("xattrs", {}).items())
    major, minor = more.get("device", (0, 0))
    return Entry(
        path,
        kind,
        mode,
        uid,
        gid,
        size,
        digest,
        link,
        xattrs,
        (major, minor),
        more.get("mtime", 0),
        more.get("passed", False),
    )

"""What is taken of a result that another machine has made: documents at once, layers and large files when they are needed.

Of a layer the table of contents is here then, and a note of where its tar is; of a blob the note alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from hermes.actions.kinds import BLOB, LAYER, LAYERS, MANIFEST
from hermes.actions.local import available
from hermes.actions.packed import Folder, admit_blob, admit_layer, table_in
from hermes.digest import Digest
from hermes.engine.action import EXECUTABLE, FILE, Value
from hermes.engine.executor import Result
from hermes.image.manifest import Manifest
from hermes.image.media_types import is_external
from hermes.layer import encodings, toc
from hermes.naming.remotes import RemoteContent
from hermes.remote.cas import Cas
from hermes.remote.execution import FileThere
from hermes.remote.folder import StoredFolder
from hermes.remote.settings import ALL
from hermes.store import Store
from hermes.store.remote_blobs import RemoteBlob

_LARGE: Final = 64 << 10
"""Files of more bytes are fetched when something reads them."""


class Taking:
    """Takes from the storage ``cas`` of the service ``place``, as ``download`` says; see `hermes.remote.settings.DOWNLOADS`."""

    def __init__(self, content: RemoteContent, cas: Cas, place: str, download: str) -> None:
        self._content = content
        self._store: Store = content.store
        self._cas = cas
        self._place = place
        self._brings_all = download == ALL

    def take(
        self,
        result: Result,
        files: Mapping[str, FileThere],
        contents: Mapping[Digest, bytes] = MappingProxyType({}),
        *,
        is_download: bool = False,
    ) -> bool:
        """Take the outputs of a result, whose ``files`` are by their paths in its folder; ``contents`` came with it.

        Tells whether all are here then, or noted. Raises `hermes.remote.cas.Lost`, `MissingBlobError` and as `Channel.unary`.
        """
        folder = StoredFolder(self._cas, files, self._store.scratch, contents)
        values = list(result.outputs.values())
        if not all(self._is_there(one, files) for one in values):
            return False
        folder.read_ahead(path for one in values if (path := self._read_now(one, is_download=is_download)))
        return all(self._take(one, files, folder, is_download=is_download) for one in values)

    def _is_there(self, value: Value, files: Mapping[str, FileThere]) -> bool:
        there = files.get(f"blobs/{value.digest.hex}")
        return (
            there is not None
            and there.digest == value.digest
            and value.digest not in self._content.lost
            and (value.kind == LAYER or there.size == value.size)
        )

    def _is_left(self, value: Value, *, is_download: bool) -> bool:
        """Tell whether a blob stays where it is until something reads it."""
        return _is_for_later(value, is_download=is_download) and not self._brings_all

    def _read_now(self, value: Value, *, is_download: bool) -> str:
        """Return the path of what is fetched of an output at once; nothing if nothing is."""
        if value.kind == LAYER:
            return "" if self._content.has(value.digest) else f"toc/{value.digest.hex}"
        if self._is_left(value, is_download=is_download) or self._store.blobs.has(value.digest, value.size):
            return ""
        return f"blobs/{value.digest.hex}"

    def _take(
        self, value: Value, files: Mapping[str, FileThere], folder: Folder, *, is_download: bool
    ) -> bool:
        store = self._store
        if value.kind == LAYER:
            return self._take_layer(value, files, folder)
        if store.blobs.has(value.digest, value.size):
            pass
        elif self._is_left(value, is_download=is_download):
            self._note(value, value.size)
        else:
            admit_blob(folder, store, value.digest)
        if value.kind == MANIFEST:
            return self._take_blobs(value, files)
        return value.kind != LAYERS or available(store, value)

    def _take_layer(self, value: Value, files: Mapping[str, FileThere], folder: Folder) -> bool:
        if encodings.available(self._store, value.digest):
            return True
        size = files[f"blobs/{value.digest.hex}"].size
        if self._brings_all:
            admit_layer(folder, self._store, value.digest)
        elif not self._content.has(value.digest):
            table = table_in(folder, value.digest)
            if table.size != size:
                return False
            toc.save(self._store, table)
            self._note(value, size)
        return True

    def _take_blobs(self, value: Value, files: Mapping[str, FileThere]) -> bool:
        """Note the layers of a manifest that came with it; tell whether all can be fetched."""
        for one in Manifest.parse(self._store.blobs.read(value.digest)).layers:
            is_known = self._store.blobs.has(one.digest, one.size) or self._content.has(one.digest)
            if is_known or is_external(one) or self._store.blob_sources.of(one.digest):
                continue
            there = files.get(f"blobs/{one.digest.hex}")
            if there is None or there.size != one.size or one.digest in self._content.lost:
                return False
            self._note(Value(BLOB, one.digest, one.size), one.size)
        return True

    def _note(self, value: Value, size: int) -> None:
        self._store.remote_blobs.add(value.digest, RemoteBlob(self._place, size))


def read_at_once(result: Result, *, is_download: bool) -> Iterator[str]:
    """Yield the paths of what anyone who takes a result reads at once."""
    for value in result.outputs.values():
        if value.kind == LAYER:
            yield f"toc/{value.digest.hex}"
        elif not _is_for_later(value, is_download=is_download):
            yield f"blobs/{value.digest.hex}"


def _is_for_later(value: Value, *, is_download: bool) -> bool:
    """Tell whether a blob stays where it is until something reads it, unless everything is wanted."""
    is_large = value.kind in (FILE, EXECUTABLE) and (is_download or value.size > _LARGE)
    return is_large or value.kind == BLOB

"""Blobs and layers that are in the storage of a remote service, brought or passed on once something needs them.

The notes of the store (`hermes.store.remote_blobs`) say which they are. What turns out not to be there is forgotten, so that it is
built again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from hermes.digest import Digest
from hermes.errors import BuildInterrupted, HermesError, MissingBlobError, RemoteError
from hermes.remote.connections import Connections
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.remote.cas import Cas
    from hermes.remote.folder import StoredFolder
    from hermes.remote.settings import RemoteSettings

_AT_ONCE: Final = 8


class RemoteContent:
    """See the module. Safe to use from several threads.

    ``settings`` returns who the services are; it is called when a blob is noted to be with one. ``lost`` are blobs that were
    noted and could not be had.
    """

    def __init__(
        self,
        store: Store,
        settings: Callable[[], RemoteSettings | None],
        cancelled: threading.Event | None = None,
    ) -> None:
        self.store = self._store = store
        self._cancelled = cancelled or threading.Event()
        self.connections = Connections(settings, self._cancelled, store.locks)
        self.lost: set[Digest] = set()
        self._away: set[str] = set()

    def close(self) -> None:
        """End the connections."""
        self.connections.close()

    def is_away(self, place: str) -> bool:
        """Tell whether a service has been of no use."""
        return place in self._away

    def has(self, digest: Digest) -> bool:
        """Tell whether a blob, or a layer by its diff_id, is noted to be with a service that can be asked for it."""
        note = self._store.remote_blobs.of(digest)
        return note is not None and note.place not in self._away and self.connections.names(note.place)

    def bring(self, digest: Digest) -> bool:
        """Fetch a blob that is noted; tell whether there was a note. Raises `MissingBlobError` where it cannot be had."""
        return self._bring(digest, {})

    def _bring(self, digest: Digest, contents: Mapping[Digest, bytes]) -> bool:
        note = self._store.remote_blobs.of(digest)
        if note is None:
            return False
        from hermes.actions.packed import admit_blob

        with self._taking(digest, note.place) as cas, self._alone(digest):
            admit_blob(self._folder(cas, digest, note.size, contents), self._store, digest)
        return True

    def bring_all(self, digests: Iterable[Digest]) -> None:
        """Fetch those of some blobs that are not here, and are noted, several at once; raises as `bring`."""
        self._bring_many(digests, self._store.blobs.has, self._bring)

    def bring_layers(self, diff_ids: Iterable[Digest]) -> None:
        """Fetch those of some layers that are not here, and are noted, several at once; raises as `bring`."""
        from hermes.layer import encodings

        self._bring_many(diff_ids, partial(encodings.available, self._store), self._bring_layer)

    def _bring_many(
        self,
        digests: Iterable[Digest],
        is_here: Callable[[Digest], bool],
        bring: Callable[[Digest, Mapping[Digest, bytes]], bool],
    ) -> None:
        """Fetch what is noted and not here: what is small in as few calls as can be, the rest several at once."""
        notes = self._store.remote_blobs
        by_place: dict[str, dict[Digest, int]] = {}
        for one in dict.fromkeys(digests):
            if not is_here(one) and (note := notes.of(one)) is not None and self.has(one):
                by_place.setdefault(note.place, {})[one] = note.size
        for place, sizes in by_place.items():
            with self._taking(next(iter(sizes)), place) as cas:
                for contents in cas.in_batches(sizes.items()):
                    for one in contents:
                        bring(one, contents)
                        del sizes[one]
        left = [one for sizes in by_place.values() for one in sizes]
        if left:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(min(_AT_ONCE, len(left)), "download") as pool:
                list(pool.map(lambda one: bring(one, {}), left))

    def bring_layer(self, diff_id: Digest) -> bool:
        """Fetch a layer whose table of contents is here; tell whether it is here now. Raises as `bring`."""
        return self._bring_layer(diff_id, {})

    def _bring_layer(self, diff_id: Digest, contents: Mapping[Digest, bytes]) -> bool:
        from hermes.layer import encodings, toc

        store = self._store
        if encodings.available(store, diff_id):
            return True
        note = store.remote_blobs.of(diff_id)
        if note is None or not os.path.exists(store.toc_path(diff_id)):
            return False
        from hermes.actions.packed import admit_tar

        with self._taking(diff_id, note.place) as cas, self._alone(diff_id):
            folder = self._folder(cas, diff_id, note.size, contents)
            admit_tar(folder, store, toc.load(store, diff_id))
        return True

    def reader(self, digest: Digest) -> Reader | None:
        """Return what reads a blob from its service, for one that is noted and is not here."""
        note = self._store.remote_blobs.of(digest)
        if note is None or self._store.blobs.has(digest, note.size) or not self.has(digest):
            return None
        return Reader(self, digest, note.place, note.size)

    @contextmanager
    def _taking(self, digest: Digest, place: str) -> Iterator[Cas]:
        """Give the storage of a service to take a blob from; what goes wrong means that it cannot be had."""
        from hermes.remote.cas import Lost

        try:
            cas = self.connections.at(place)
            if cas is None:
                raise RemoteError(f"{place} has blob {digest.short}, and is not named as a remote cache now")
            yield cas
        except BuildInterrupted:
            raise
        except HermesError as error:
            self._store.remote_blobs.remove(digest)
            self.lost.add(digest)
            if not isinstance(error, Lost | MissingBlobError):
                self._away.add(place)
            text = error.message if place.partition("#")[0] in error.message else f"{place}: {error.message}"
            raise MissingBlobError(
                text, digest=digest, hint="build what it belongs to again, or name the remote cache"
            ) from error

    def _alone(self, digest: Digest) -> AbstractContextManager[None]:
        return self._store.locks.held(f"remote:{digest}", waiting=self._give_up_if_cancelled)

    def _give_up_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise BuildInterrupted

    def _folder(self, cas: Cas, digest: Digest, size: int, contents: Mapping[Digest, bytes]) -> StoredFolder:
        from hermes.remote.execution import FileThere
        from hermes.remote.folder import StoredFolder

        files = {f"blobs/{digest.hex}": FileThere(digest, size)}
        return StoredFolder(cas, files, self._store.scratch, contents)


class Reader:
    """A blob of a service as a file that is read on, from where `seek` says: nothing of it is kept.

    Reading raises `MissingBlobError`, also at the end of a blob that was read from its start and has other bytes.
    """

    def __init__(self, content: RemoteContent, digest: Digest, place: str, size: int) -> None:
        self._content = content
        self._digest = digest
        self._place = place
        self._size = size
        self._pieces: Iterator[bytes] = iter(())
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pieces = iter(())

    def seek(self, start: int) -> None:
        self._pieces = self._read_from(start)
        self._rest = b""

    def read(self, count: int) -> bytes:
        """Return the next bytes, at most ``count``; nothing at the end."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def _read_from(self, start: int) -> Iterator[bytes]:
        with self._content._taking(self._digest, self._place) as cas:  # noqa: SLF001 - of this module
            yield from cas.chunks(self._digest, self._size, start)

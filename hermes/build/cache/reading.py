"""A result cache that asks caches of other machines for what this one does not know.

A layer that a result names is only noted: its bytes come when something needs them, and are checked against their digest and
diff_id then. What a cache promised and cannot give is built here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from hermes.actions.kinds import BLOB, LAYER, LAYERS
from hermes.actions.local import available
from hermes.build.cache.artifact import FILE, CacheIndex, index_in
from hermes.digest import Digest
from hermes.engine.action import Value
from hermes.engine.executor import Result
from hermes.errors import BuildInterrupted, HermesError, ImageError, MissingBlobError, UsageError
from hermes.image.descriptor import Descriptor
from hermes.layer import encodings
from hermes.layer.encodings import Foreign
from hermes.layer.importing import LayerBlob, import_layer
from hermes.naming.caches import INLINE, CachePlace
from hermes.registry.answers import NotThere
from hermes.transports.table import opened

if TYPE_CHECKING:
    from hermes.registry.client import Client
    from hermes.store import ResultCache, Store
    from hermes.transports.transport import Origin

Say = Callable[[str], None]

_MANIFESTS: Final = "the manifest of the cache is not what its digest says"


class SharedResults:
    """See `hermes.store.ResultCache`; ``local`` is asked first, then the caches at ``places`` in their order.

    They are read when a result is first missing. ``say`` is told of those that are not there or cannot be used. Once they
    could not give a layer that they said they have, they are not asked again.
    """

    def __init__(
        self,
        local: ResultCache,
        store: Store,
        places: Sequence[CachePlace],
        client: Callable[[], Client],
        say: Say,
    ) -> None:
        self._local = local
        self._store = store
        self._places = places
        self._client = client
        self._say = say
        self._guard = threading.Lock()
        self._opened = ExitStack()
        self._caches: list[_Cache] | None = None
        self._noted: set[Digest] = set()
        self._promised: set[Digest] = set()
        self._is_distrusted = False

    def get(self, key: str, image: bytes = b"", *, nearby: bool = False) -> bytes | None:
        data = self._local.get(key)
        known = Result.load(data) if data is not None else None
        if known is not None and all(available(self._store, one) for one in known.outputs.values()):
            return data
        for cache in () if nearby or self._is_distrusted else self._read():
            found = cache.index.results.get(key)
            if found is not None and all(self._take(cache, one) for one in found.outputs.values()):
                taken = found.dump()
                if image and all(available(self._store, one) for one in found.outputs.values()):
                    self._local.put(key, taken, image)
                return taken
        return data

    def put(self, key: str, result: bytes, preimage: bytes) -> None:
        self._local.put(key, result, preimage)

    def preimage(self, key: str) -> bytes | None:
        return self._local.preimage(key)

    def vouches(self, value: Value) -> bool:
        """Tell whether the blob or layer of an output is in a cache, or was promised by one."""
        if self._is_distrusted:
            return False
        if value.kind == LAYER:
            return self._is_vouched(value.digest)
        if value.kind == LAYERS and self._store.blobs.has(value.digest, value.size):
            diff_ids = map(Digest.parse, json.loads(self._store.blobs.read(value.digest)))
            return all(encodings.obtainable(self._store, one) or self._is_vouched(one) for one in diff_ids)
        return value.kind == BLOB and value.digest in self._noted

    def check(self, diff_id: Digest, error: HermesError | None) -> None:
        """Raise `MissingBlobError` for a layer that a cache spoke of and that could not be had, so that it is built."""
        if diff_id not in self._noted | self._promised or encodings.available(self._store, diff_id):
            return
        self._is_distrusted |= diff_id in self._noted
        encodings.forget_foreign(self._store, diff_id)
        reason = f" ({error.message})" if error is not None else ""
        raise MissingBlobError(
            f"layer {diff_id.short} cannot be fetched from the cache{reason}", digest=diff_id
        ) from error

    def close(self) -> None:
        self._opened.close()

    def _is_vouched(self, diff_id: Digest) -> bool:
        return diff_id in self._noted or (diff_id in self._promised and not self._store.blobs.in_doubt)

    def _take(self, cache: _Cache, value: Value) -> bool:
        """Make an output of a result usable; tell whether it is."""
        store = self._store
        if value.kind == LAYER:
            return self._take_layer(cache, value.digest)
        if store.blobs.has(value.digest, value.size):
            pass
        elif value.kind == BLOB:
            blob = cache.blobs.get(value.digest)
            if blob is None or cache.origin.remote is None:
                return False
            cache.origin.remote.record(blob.digest)
            self._noted.add(value.digest)
        elif (document := cache.index.documents.get(value.digest)) is not None:
            store.blobs.put(document)
        elif not self._take_file(cache, value):
            return False
        if value.kind == LAYERS:
            return all(
                self._take_layer(cache, Digest.parse(one))
                for one in json.loads(store.blobs.read(value.digest))
            )
        return True

    def _take_layer(self, cache: _Cache, diff_id: Digest) -> bool:
        store = self._store
        if encodings.available(store, diff_id) or diff_id in self._noted:
            return True
        blob = cache.index.layers.get(diff_id)
        if blob is None:
            if encodings.find_foreign(store, diff_id) is None:
                self._promised.add(diff_id)
                return not store.blobs.in_doubt
        elif diff_id in cache.broken:
            return False
        elif (remote := cache.origin.remote) is not None:
            remote.record(blob.digest)
            if encodings.find_foreign(store, diff_id) is None:
                encodings.record_foreign(store, diff_id, Foreign(blob.digest, blob.size, blob.media_type))
        elif not self._import(cache, diff_id, blob):
            return False
        self._noted.add(diff_id)
        return True

    def _import(self, cache: _Cache, diff_id: Digest, blob: Descriptor) -> bool:
        """Take a layer out of a folder, which need not be there later."""
        row = LayerBlob(blob.digest, blob.size, diff_id, blob.media_type)
        try:
            import_layer(
                self._store, row, lambda: cache.origin.open(blob), name=f"{cache.name}: layer {diff_id.short}"
            )
        except BuildInterrupted:
            raise
        except HermesError as error:
            cache.broken.add(diff_id)
            self._say(f"{error.message}; it is built here")
            return False
        return True

    def _take_file(self, cache: _Cache, value: Value) -> bool:
        """Fetch a file that is a blob of its own; it is in the store only if it is what its digest says."""
        if cache.index.files.get(value.digest) != value.size:
            return False
        try:
            data = _read(cache.origin, Descriptor(FILE, value.digest, value.size))
        except BuildInterrupted:
            raise
        except HermesError as error:
            self._say(f"{cache.name}: {error.message}; it is made here")
            return False
        self._store.blobs.put(data)
        return True

    def _read(self) -> list[_Cache]:
        with self._guard:
            if self._caches is None:
                self._caches = [one for one in map(self._cache_at, self._places) if one is not None]
            return self._caches

    def _cache_at(self, place: CachePlace) -> _Cache | None:
        if place.kind == INLINE:
            return None
        name = str(place.ref or place.folder)
        try:
            text = f"docker://{place.ref}" if place.ref else f"oci:{place.folder}:{place.tag}"
            origin = self._opened.enter_context(opened(text, self._store, self._client))
            root = origin.root()
            manifest = origin.document(root)
            if Digest.of(manifest) != root.digest:
                raise ImageError(_MANIFESTS)
            index = CacheIndex.load(_read(origin, index_in(manifest, name)), name)
        except BuildInterrupted:
            raise
        except (NotThere, UsageError):
            self._say(f"{name}: there is no cache yet")
            return None
        except HermesError as error:
            self._say(f"the cache {name} is passed over: {error.message}")
            return None
        return _Cache(name, origin, index)


class _Cache:
    def __init__(self, name: str, origin: Origin, index: CacheIndex) -> None:
        self.name = name
        self.origin = origin
        self.index = index
        self.blobs = {one.digest: one for one in index.layers.values()}
        self.broken: set[Digest] = set()


def _read(origin: Origin, one: Descriptor) -> bytes:
    """Return a blob of a cache; raises `ImageError` when it is not what its digest and its size say."""
    parts, left = [], one.size + 1
    with origin.open(one) as file:
        while left > 0 and (data := file.read(min(left, 1 << 20))):
            parts.append(data)
            left -= len(data)
    data = b"".join(parts)
    if Digest.of(data) != one.digest:
        raise ImageError(f"content does not match its digest {one.digest}")
    return data

"""What a build gave -> a cache for other machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Final

from hermes.actions.kinds import BLOB, LAYER, MANIFEST
from hermes.actions.privacy import is_private
from hermes.build.cache.artifact import EMPTY_DATA, FILE, INDEX, MOST_INLINE, CacheIndex, manifest_of
from hermes.digest import Digest, parse_json
from hermes.engine.action import Action, Value
from hermes.engine.executor import Result
from hermes.engine.scheduler import LastResult
from hermes.errors import HermesError
from hermes.image.config import diff_ids_of, parse_config
from hermes.image.descriptor import IMAGE_MANIFEST, Descriptor
from hermes.image.manifest import Manifest
from hermes.layer import encodings
from hermes.layer.compress import ZSTD
from hermes.naming.caches import INLINE, LOCAL, CachePlace
from hermes.transports.table import parse_destination

if TYPE_CHECKING:
    from hermes.container.layer_forms import LayerForms
    from hermes.naming.registries import LazyBlobs
    from hermes.store import Store

_BASES: Final = frozenset({"base_layer", "pull"})
"""What gives layers that are in a registry anyway."""
_LEFT_OUT: Final = frozenset({"dockerfile", "host", "pull", "write"})
"""What depends on this machine, costs nothing, or is asked of a registry in any case."""


class CacheWriter:
    """Writes caches of what a build gave: ``known`` of its ``actions``."""

    def __init__(
        self,
        store: Store,
        forms: LayerForms,
        actions: Iterable[Action],
        known: Mapping[str, LastResult],
    ) -> None:
        self._store = store
        self._forms = forms
        self._known = known
        self._actions = [one for one in actions if one.id in known]

    def write(self, place: CachePlace, fetching: LazyBlobs) -> None:
        """Write a cache; raises as `hermes.transports.transport.Destination.write` does."""
        text = f"oci:{place.folder}:{place.tag}" if place.kind == LOCAL else f"docker://{place.ref}"
        index, blobs = self._index(all_layers=place.all_layers)
        data = index.dump()
        packed = Descriptor(INDEX, self._store.blobs.put(data), len(data))
        self._store.blobs.put(EMPTY_DATA)
        manifest = manifest_of(packed, blobs)
        root = Descriptor(IMAGE_MANIFEST, self._store.blobs.put(manifest), len(manifest))
        fetching.write(parse_destination(text, lambda: fetching.client), root, "cache:latest")

    def _index(self, *, all_layers: bool) -> tuple[CacheIndex, list[Descriptor]]:
        index = CacheIndex()
        index.layers = self._layers(all_layers=all_layers)
        blobs = {one.digest: one for one in index.layers.values()}
        for action in self._actions:
            result = self._known[action.id]
            if action.kind in _LEFT_OUT or self._is_private(action, result):
                continue
            if all(self._add(index, blobs, one, all_layers=all_layers) for one in result.outputs.values()):
                index.results[result.key] = Result(result.outputs, result.milliseconds)
        return index, list(blobs.values())

    def _is_private(self, action: Action, result: LastResult) -> bool:
        """Tell whether a secret may be in what an action gave, or a folder of this machine."""
        preimage = self._store.results.preimage(result.key)
        document = parse_json(preimage) if preimage is not None else {"inputs": []}
        read = (Digest.parse(digest) for _, _, digest in document["inputs"])
        gave = (one.digest for one in result.outputs.values())
        return is_private(json.loads(action.params), chain(read, gave), self._store)

    def _add(
        self, index: CacheIndex, blobs: dict[Digest, Descriptor], value: Value, *, all_layers: bool
    ) -> bool:
        """Add what stands behind an output; tell whether the cache has it."""
        if value.kind in (LAYER, BLOB):
            return value.kind == LAYER or value.digest in blobs
        if not self._store.blobs.has(value.digest, value.size):
            return False
        if value.size <= MOST_INLINE:
            index.documents[value.digest] = self._store.blobs.read(value.digest)
        elif all_layers:
            index.files[value.digest] = value.size
            blobs[value.digest] = Descriptor(FILE, value.digest, value.size)
        else:
            return False
        return True

    def _layers(self, *, all_layers: bool) -> dict[Digest, Descriptor]:
        """Map the layers that the cache is to have to blobs: those of images that were made here, or all that were."""
        is_marked = self._store.private_blobs.has_any
        made, images = dict[Digest, None](), dict[Digest, Descriptor]()
        for action in self._actions:
            for value in self._known[action.id].outputs.values():
                if value.kind == LAYER and action.kind not in _BASES and not is_marked((value.digest,)):
                    made[value.digest] = None
                elif value.kind == MANIFEST and action.kind not in _BASES:
                    images.update(self._of_image(value.digest))
        found = {diff_id: images[diff_id] for diff_id in made if diff_id in images}
        if all_layers:
            others = {diff_id: self._blob(diff_id) for diff_id in made if diff_id not in images}
            found.update((diff_id, blob) for diff_id, blob in others.items() if blob is not None)
        return found

    def _of_image(self, manifest: Digest) -> Iterator[tuple[Digest, Descriptor]]:
        """Yield the layers of an image, and the blobs that it has for them."""
        found = Manifest.parse(self._store.blobs.read(manifest))
        diff_ids = diff_ids_of(parse_config(self._store.blobs.read(found.config.digest)))
        yield from zip(diff_ids, found.layers, strict=True)

    def _blob(self, diff_id: Digest) -> Descriptor | None:
        """Return a blob that holds a layer, made if need be; None where nobody has the layer any more."""
        if known := encodings.find(self._store, diff_id, ZSTD):
            return Descriptor(ZSTD.media_type, known.digest, known.size)
        if foreign := encodings.find_foreign(self._store, diff_id):
            return Descriptor(foreign.media_type, foreign.digest, foreign.size)
        if not encodings.available(self._store, diff_id):
            return None
        made = self._forms.compressed(diff_id, ZSTD)
        return Descriptor(ZSTD.media_type, made.digest, made.size)


def written(
    writer: CacheWriter, places: Iterable[CachePlace], fetching: LazyBlobs, warn: Callable[[str], None]
) -> None:
    """Write caches; where that fails, ``warn`` is told if the place says that errors do not matter."""
    for place in places:
        if place.kind == INLINE:
            warn(
                "--cache-to type=inline writes nothing: images have no cache in them here; use type=registry,ref=NAME"
            )
            continue
        try:
            writer.write(place, fetching)
        except HermesError as error:
            if not place.ignores_errors:
                raise
            warn(f"the cache {place.text} was not written: {error.message}")

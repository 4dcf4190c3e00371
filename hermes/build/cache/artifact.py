"""The form that a cache has: an OCI artifact, of which docs/dockerfiles.md ("Caches") is the description.

::

    manifest   artifactType application/vnd.hermes.cache.v1
      config   {} (application/vnd.oci.empty.v1+json)
      layers   [0] the index: JSON compressed with zstd
               then blobs of layers, in the form that images have them, and files too large for the index

The index maps keys of actions to what they gave, and diff_ids to blobs. Nothing in it is believed but which result belongs to
a key: a layer, a document or a file is what its digest says, or is not taken.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hermes.digest import Digest, canonical_json, parse_json
from hermes.engine.executor import Result
from hermes.engine.key import SCHEMA
from hermes.errors import HermesError, ImageError
from hermes.image.descriptor import Descriptor

ARTIFACT: Final = "application/vnd.hermes.cache.v1"
INDEX: Final = "application/vnd.hermes.cache.index.v1+json+zstd"
FILE: Final = "application/vnd.hermes.cache.file.v1"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
EMPTY_DATA: Final = b"{}"
MOST_INLINE: Final = 64 << 10
"""Documents and files of at most so many bytes are in the index."""

_VERSION: Final = 1
_LARGEST_INDEX: Final = 256 << 20
_LARGEST_PACKED: Final = 64 << 20


@dataclass(slots=True)
class CacheIndex:
    """What a cache has.

    ``results`` maps keys of actions to results, ``layers`` diff_ids to blobs, ``documents`` digests to bytes, and
    ``files`` digests to sizes of blobs of their own.
    """

    results: dict[str, Result] = field(default_factory=dict)
    layers: dict[Digest, Descriptor] = field(default_factory=dict)
    documents: dict[Digest, bytes] = field(default_factory=dict)
    files: dict[Digest, int] = field(default_factory=dict)

    def dump(self) -> bytes:
        """Return the bytes of the index; equal ones are equal bytes."""
        import zstandard

        document = {
            "documents": {key: base64.b64encode(data).decode() for key, data in self.documents.items()},
            "files": self.files,
            "layers": {key: [one.digest, one.size, one.media_type] for key, one in self.layers.items()},
            "results": {key: _row(one) for key, one in self.results.items()},
            "schema": SCHEMA,
            "version": _VERSION,
        }
        return zstandard.ZstdCompressor(level=3).compress(canonical_json(document))

    @classmethod
    def load(cls, data: bytes, name: str) -> CacheIndex:
        """Return what was dumped; raises `ImageError`, naming the cache ``name``, for anything else."""
        try:
            return cls._loaded(parse_json(_decompressed(data)))
        except ImageError:
            raise
        except Exception as error:  # noqa: BLE001 - the file comes from another machine and may hold anything
            raise ImageError(f"{name}: the index of the cache is damaged ({error})") from None

    @classmethod
    def _loaded(cls, document: Mapping[str, Any]) -> CacheIndex:
        if document["version"] != _VERSION or document["schema"] != SCHEMA:
            raise ImageError("it was written by another version of Hermes")
        found = cls()
        for key, (outputs, milliseconds) in document["results"].items():
            row = {"log": "", "milliseconds": milliseconds, "outputs": outputs, "version": 1}
            result = Result.load(json.dumps(row).encode())
            if result is not None:
                found.results[str(key)] = result
        for diff_id, (digest, size, media_type) in document["layers"].items():
            found.layers[Digest.parse(diff_id)] = Descriptor(
                str(media_type), Digest.parse(digest), _size(size)
            )
        for digest, text in document["documents"].items():
            content = base64.b64decode(text)
            if Digest.of(content) == digest:
                found.documents[Digest(digest)] = content
        found.files = {Digest.parse(key): _size(size) for key, size in document["files"].items()}
        return found


def manifest_of(index: Descriptor, blobs: list[Descriptor]) -> bytes:
    """Return the manifest of a cache; see image-spec, manifest.md, "Guidelines for Artifact Usage"."""
    config = Descriptor(EMPTY, Digest.of(EMPTY_DATA), len(EMPTY_DATA))
    listed = [index, *sorted(blobs, key=lambda one: one.digest)]
    return canonical_json(
        {
            "artifactType": ARTIFACT,
            "config": config.to_json(),
            "layers": [one.to_json() for one in listed],
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "schemaVersion": 2,
        }
    )


def index_in(manifest: bytes, name: str) -> Descriptor:
    """Return the index that a manifest names; raises `ImageError` where it is not one of a cache."""
    try:
        document = parse_json(manifest)
        if document.get("artifactType") != ARTIFACT:
            raise ImageError(f"{name} is not a cache of Hermes")
        found = Descriptor.from_json(document["layers"][0])
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ImageError(f"{name}: the manifest of the cache is damaged") from None
    if found.media_type != INDEX or found.size > _LARGEST_PACKED:
        raise ImageError(f"{name}: the manifest of the cache is damaged")
    return found


def _row(one: Result) -> list[Any]:
    return [{name: list(value) for name, value in one.outputs.items()}, one.milliseconds]


def _size(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise HermesError(f"a size is {value!r}")
    return value


def _decompressed(data: bytes) -> bytes:
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    parts, total = [], 0
    for start in range(0, len(data), 1 << 12):
        part = unpacker.decompress(data[start : start + (1 << 12)])
        total += len(part)
        if total > _LARGEST_INDEX:
            raise HermesError(f"it has more than {_LARGEST_INDEX} bytes")
        parts.append(part)
        if unpacker.eof:
            break
    return b"".join(parts)

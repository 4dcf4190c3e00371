"""Which blobs of the store hold a layer, and its tar from any of them.

A layer is named by its diff_id. Beside its table of contents stands a small file for each usual codec,
``toc/HEX.CODEC``: ``{"digest", "size", "codec"}`` where ``codec`` is the encoder's identity. All other blobs are
in ``toc/HEX.blobs``, a list of ``{"digest", "size", "form", "codec"}``: those of unusual levels, and those that
somebody else made, whose ``codec`` is empty. The uncompressed tar is the blob that has the diff_id for its digest.

``toc/HEX.foreign`` (``{"digest", "size", "media_type", "urls"}``) names a blob that an image from elsewhere says holds the
layer. It may still be where it came from, and nobody has looked into it yet.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from hermes.digest import CHUNK, Digest, read_json
from hermes.errors import HermesError, MissingBlobError
from hermes.layer.compress import CODECS, Codec, Encoding
from hermes.layer.decompress import Decompressed
from hermes.layer.trees import has_tree
from hermes.store import Store
from hermes.store.blobs import corrupt
from hermes.store.regular import regular
from hermes.store.removal import remove_tree

FORMS: Final = ("gzip", "zstd")
"""The forms besides the plain tar in which a layer can be in an image; see image-spec, layer.md."""


def record(store: Store, diff_id: Digest, encoding: Encoding) -> None:
    """Note that a blob of the store holds a layer."""
    codec = encoding.codec
    if codec is None:
        return
    document = {"digest": encoding.digest, "size": encoding.size, "codec": codec.identity}
    if codec.spec in CODECS:
        store.write(_path(store, diff_id, codec), json.dumps(document).encode())
    else:
        _add(store, diff_id, {**document, "form": codec.name})


def record_blob(store: Store, diff_id: Digest, digest: Digest, size: int, form: str) -> None:
    """Note that a blob of the store that somebody else made holds a layer; ``form`` is one of `FORMS`."""
    _add(store, diff_id, {"digest": digest, "size": size, "codec": "", "form": form})


def find(store: Store, diff_id: Digest, codec: Codec) -> Encoding | None:
    """Return the blob that holds a layer in the form that ``codec`` gives, if it is there and whole."""
    if codec.spec not in CODECS:
        rows = (one for one in _others(store, diff_id) if one["codec"] == codec.identity)
        return next((replace(one, codec=codec) for one in _listed(store, rows)), None)
    row = _usual(store, diff_id, codec)
    if row is None or row["codec"] != codec.identity or not store.blobs.has(row["digest"], row["size"]):
        return None
    return Encoding(row["digest"], row["size"], codec)


def recorded(store: Store, diff_id: Digest, codec: Codec) -> Encoding | None:
    """Return the blob that is noted to hold a layer in the form that ``codec`` gives, here or not."""
    row = _usual(store, diff_id, codec)
    if row is None or row["codec"] != codec.identity:
        return None
    return Encoding(row["digest"], row["size"], codec)


def find_plain(store: Store, diff_id: Digest) -> Encoding | None:
    """Return the blob that holds a layer's tar as it is, if it is there and whole."""
    if not store.blobs.has(diff_id):
        return None
    return Encoding(diff_id, os.stat(store.blobs.path(diff_id)).st_size, None)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A blob of a layer that somebody else compressed, here or not; ``urls`` say where it can be downloaded besides registries."""

    digest: Digest
    size: int
    media_type: str
    urls: tuple[str, ...] = ()


def record_foreign(store: Store, diff_id: Digest, blob: Foreign) -> None:
    """Note that a blob which somebody else made is said to hold a layer, though nobody has looked into it yet."""
    if find_foreign(store, diff_id) != blob:
        store.write(store.foreign_path(diff_id), json.dumps(asdict(blob)).encode())


def find_foreign(store: Store, diff_id: Digest) -> Foreign | None:
    """Return the blob that is said to hold a layer, whether it is in the store or not."""
    try:
        with open(store.foreign_path(diff_id), "rb", opener=regular) as file:
            document = read_json(file.read())
        return Foreign(
            Digest.parse(document["digest"]),
            int(document["size"]),
            str(document["media_type"]),
            tuple(map(str, document.get("urls", ()))),
        )
    except (OSError, ValueError, KeyError, TypeError, HermesError):
        return None


def forget_foreign(store: Store, diff_id: Digest) -> None:
    """Undo `record_foreign`: the blob does not hold the layer."""
    with suppress(FileNotFoundError):
        os.unlink(store.foreign_path(diff_id))


def find_blob(store: Store, diff_id: Digest, digest: Digest) -> Encoding | None:
    """Return an intact blob that is known to hold the layer, ours or another builder's."""
    if digest == diff_id:
        return find_plain(store, diff_id)
    usual = (_usual(store, diff_id, codec) for codec in CODECS.values())
    rows = (one for one in (*usual, *_others(store, diff_id)) if one and one["digest"] == digest)
    return next(_listed(store, rows), None)


def find_any(store: Store, diff_id: Digest) -> Encoding | None:
    """Return a blob that holds a layer in any form."""
    if plain := find_plain(store, diff_id):
        return plain
    for codec in CODECS.values():
        if found := find(store, diff_id, codec):
            return found
    return next(_listed(store, iter(_others(store, diff_id))), None)


def available(store: Store, diff_id: Digest) -> bool:
    """Tell whether the layer can be used: its table of contents is there, and its bytes in some form."""
    if not os.path.exists(store.toc_path(diff_id)):
        return False
    return has_tree(store, diff_id) or find_any(store, diff_id) is not None


def obtainable(store: Store, diff_id: Digest) -> bool:
    """Tell whether the layer can be used, or is known to be available elsewhere."""
    return available(store, diff_id) or find_foreign(store, diff_id) is not None


def forget_lost(store: Store) -> None:
    """Remove what is known of layers that are in the store in no form, and that nobody has elsewhere."""
    known: dict[str, list[str]] = {}
    for name in os.listdir(store.home / "toc"):
        known.setdefault(name.partition(".")[0], []).append(name)
    for hexadecimal, names in known.items():
        diff_id = Digest.from_hex(hexadecimal)
        is_here = has_tree(store, diff_id) or find_any(store, diff_id)
        if not (is_here or find_foreign(store, diff_id) or store.remote_blobs.of(diff_id)):
            for name in names:
                remove_tree(store.home / "toc" / name)


class LayerTar:
    """The tar of a layer, checked against its diff_id once it has been read to its end."""

    def __init__(self, source: Decompressed, diff_id: Digest) -> None:
        self._source = source
        self._diff_id = diff_id
        self._hash = hashlib.sha256()

    def read(self, count: int) -> bytes:
        data = self._source.read(count)
        self._hash.update(data)
        return data

    def chunks(self) -> Iterator[bytes]:
        """Yield what is left of the tar; raises as `check` does."""
        while data := self.read(CHUNK):
            yield data
        self.check()

    def check(self) -> None:
        """Read the rest; raises `MissingBlobError` when this was not the layer's tar."""
        while self.read(CHUNK):
            pass
        if self._hash.hexdigest() != self._diff_id.hex:
            raise corrupt(self._diff_id)


@contextmanager
def open_tar(store: Store, diff_id: Digest) -> Iterator[LayerTar]:
    """Open a layer's tar. Raises `MissingBlobError` when no blob holds it."""
    encoding = find_any(store, diff_id)
    if encoding is None:
        raise MissingBlobError(f"the store has no blob of layer {diff_id}", digest=diff_id)
    with store.blobs.open(encoding.digest) as file:
        try:
            yield LayerTar(Decompressed(file, name=f"layer {diff_id}"), diff_id)
        except MissingBlobError:
            store.blobs.remove(encoding.digest)
            forget_foreign(store, diff_id)
            raise


def _path(store: Store, diff_id: Digest, codec: Codec) -> str:
    return f"{store.toc_path(diff_id)}.{codec.name}"


def _usual(store: Store, diff_id: Digest, codec: Codec) -> dict[str, Any] | None:
    """Return the row of the blob in the form of a usual codec, whichever version of its encoder made it."""
    try:
        with open(_path(store, diff_id, codec), "rb", opener=regular) as file:
            document = read_json(file.read())
        row = {name: document[name] for name in ("size", "codec")}
        return {**row, "digest": Digest.parse(document["digest"]), "form": codec.name}
    except (OSError, ValueError, KeyError, TypeError, HermesError):
        return None


def _others_path(store: Store, diff_id: Digest) -> str:
    return f"{store.toc_path(diff_id)}.blobs"


def _others(store: Store, diff_id: Digest) -> list[dict[str, Any]]:
    """Return the rows of a layer's list; a damaged list is an empty one."""
    try:
        with open(_others_path(store, diff_id), "rb", opener=regular) as file:
            rows = read_json(file.read())
        return [one for one in rows if {"digest", "size", "codec", "form"} <= one.keys()]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def _listed(store: Store, rows: Iterator[dict[str, Any]]) -> Iterator[Encoding]:
    """Yield the blobs of a list that are there and whole."""
    for one in rows:
        digest = Digest(one["digest"])
        if store.blobs.has(digest, one["size"]):
            yield Encoding(digest, one["size"], None, one["form"])


def _add(store: Store, diff_id: Digest, row: dict[str, Any]) -> None:
    with store.locks.held(f"blobs:{diff_id}"):
        rows = [one for one in _others(store, diff_id) if one["digest"] != row["digest"]]
        store.write(_others_path(store, diff_id), json.dumps([*rows, row]).encode())

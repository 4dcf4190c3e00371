"""A result cache that asks a service of the Remote Execution API for what this machine does not know.

Documents and tables of contents come with a result. A layer, and a file that was downloaded, is only noted: its bytes come when
something needs them. What the service promised and cannot give is made here. Whatever is wrong with the service, the
build goes on without it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from hermes.actions.kinds import BLOB, LAYERS
from hermes.actions.local import DOCKERFILE, S2I, available
from hermes.actions.privacy import is_private
from hermes.actions.tools import Tools
from hermes.digest import Digest, canonical_json, parse_json
from hermes.engine.action import Value
from hermes.engine.executor import Result
from hermes.errors import (
    BuildInterrupted,
    HermesError,
    ImageError,
    MissingBlobError,
    RemoteError,
    RemoteRefused,
)
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Manifest
from hermes.layer import encodings
from hermes.layer.compress import CODECS, Encoding
from hermes.naming.remotes import RemoteContent
from hermes.remote.settings import RemoteSettings
from hermes.store import ResultCache, Store

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_LEFT_OUT: Final = frozenset({"base_layer", DOCKERFILE, "host", "import_image", "pull", S2I})
"""What depends on this machine, is asked of a registry in any case, or stands for other actions."""
_DOWNLOADS: Final = frozenset({"fetch", "fetch_wheel"})
"""Kinds whose files need not be here unless something reads them."""
_UPLOADS: Final = 4


class RemoteResults:
    """See `hermes.store.ResultCache`; ``local`` is asked first. The service is connected when a result is first missing.

    Results are sent in the background; `flush` waits for that. What speaks with it is loaded then: most builds ask for little.
    """

    def __init__(
        self, local: ResultCache, settings: RemoteSettings, tools: Tools, content: RemoteContent
    ) -> None:
        self._local = local
        self._settings = settings
        self._address = settings.cache_address()
        self._tools = tools
        self._store = tools.store
        self._content = content
        self._guard = threading.Lock()
        self._read_on = True
        self._write_on = settings.upload
        self._sent: list[Future[None]] = []

    @cached_property
    def _uploads(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(_UPLOADS, "upload")

    def get(self, key: str, image: bytes = b"", *, nearby: bool = False) -> bytes | None:
        data = self._local.get(key, image, nearby=nearby)
        known = Result.load(data) if data is not None else None
        if known is not None and all(
            available(self._store, one) or self.vouches(one) for one in known.outputs.values()
        ):
            return data
        if nearby or not self._read_on or not image or self._content.is_away(self._address.place):
            return data
        document = parse_json(image)
        if not self._is_for_others(document):
            return data
        try:
            taken = self._taken(key, document)
        except RemoteError as error:
            self._give_up(error)
            return data
        if taken is None:
            return data
        if all(available(self._store, one) for one in taken.outputs.values()):
            self._local.put(key, taken.dump(), image)
        return canonical_json({**parse_json(taken.dump()), "where": self._settings.cache})

    def put(self, key: str, result: bytes, preimage: bytes) -> None:
        self._local.put(key, result, preimage)
        if not self._write_on or not self._is_for_others(parse_json(preimage)):
            return
        found = Result.load(result)
        if found and self._store.private_blobs.has_any(one.digest for one in found.outputs.values()):
            return
        with self._guard:
            if found is not None and self._write_on:
                self._sent.append(self._uploads.submit(self._send, key, found, preimage))

    def preimage(self, key: str) -> bytes | None:
        return self._local.preimage(key)

    def vouches(self, value: Value) -> bool:
        """Tell whether what stands behind an output was promised by the service."""
        if value.kind == LAYERS and self._store.blobs.has(value.digest, value.size):
            diff_ids = map(Digest.parse, json.loads(self._store.blobs.read(value.digest)))
            return all(self._content.has(one) or encodings.obtainable(self._store, one) for one in diff_ids)
        return self._content.has(value.digest)

    def flush(self) -> None:
        """Wait for what is being sent."""
        if not self._sent:
            return
        from concurrent.futures import wait

        while True:
            with self._guard:
                waiting, self._sent = self._sent, []
            if not waiting:
                return
            wait(waiting)

    def close(self) -> None:
        """End the connection; what has not been sent is not sent any more."""
        with self._guard:
            self._read_on = self._write_on = False
            uploads = self.__dict__.get("_uploads")
            if uploads is not None:
                uploads.shutdown(wait=False, cancel_futures=True)
        self._content.close()
        if uploads is not None:
            uploads.shutdown()

    def distrust(self) -> None:
        """Believe nothing of the service any more, as more than once it has not had what it promised."""
        with self._guard:
            self._read_on = False

    def _give_up(self, error: HermesError) -> None:
        """Say once that the service is of no use in this build."""
        with self._guard:
            was_on, self._read_on, self._write_on = self._read_on, False, False
        if was_on:
            self._tools.warn(_with_address(error, self._settings.cache) + "; the build goes on without it")

    def _taken(self, key: str, document: Mapping[str, Any]) -> Result | None:
        """Return the result of an action whose outputs are here then, or noted; None where there is none to be had."""
        from hermes.build.remote.taking import Taking
        from hermes.remote.action_cache import ActionCache
        from hermes.remote.cas import Lost

        cas = self._content.connections.cas(self._address)
        found = ActionCache(cas).get(key)
        result = Result.load(found.data) if found is not None else None
        if found is None or result is None:
            return None
        taking = Taking(self._content, cas, self._address.place, self._settings.download)
        try:
            if not taking.take(
                result, found.files, found.contents, is_download=document["kind"] in _DOWNLOADS
            ):
                return None
        except (Lost, MissingBlobError, ImageError):
            return None
        self._note_encoding(result, document)
        return result

    def _note_encoding(self, result: Result, document: Mapping[str, Any]) -> None:
        """Note that a blob holds a layer, as compressing it does."""
        codec = next((one for one in CODECS.values() if one.identity == document["codec"]), None)
        if codec is None:
            return
        for value in result.outputs.values():
            if document["kind"] == "compress" and value.kind == BLOB:
                (_, _, layer), *_ = document["inputs"]
                encodings.record(self._store, Digest.parse(layer), Encoding(value.digest, value.size, codec))
            for one in _made_with(value, document, self._store):
                encodings.record(self._store, _folders_of(document), Encoding(one.digest, one.size, codec))

    def _is_for_others(self, document: Mapping[str, Any]) -> bool:
        """Tell from the preimage of a key whether other machines may have the result, and have use for it."""
        inputs = (Digest.parse(digest) for _, _, digest in document["inputs"])
        return document["kind"] not in _LEFT_OUT and not is_private(document["params"], inputs, self._store)

    def _send(self, key: str, result: Result, preimage: bytes) -> None:
        """Send a result and all that it refers to."""
        from hermes.actions.packed import Part, pack_result
        from hermes.build.remote.stored import blobs_of
        from hermes.build.remote.taking import read_at_once
        from hermes.remote.action_cache import ActionCache

        if not self._write_on:
            return
        try:
            parts = [one for one in pack_result(result, key, self._store) if one.path != "result.json"]
            document = parse_json(preimage)
            parts += (
                Part(f"blobs/{one.digest.hex}", one.digest, one.size, self._store.blobs.path(one.digest))
                for value in result.outputs.values()
                for one in _made_with(value, document, self._store)
            )
            cas = self._content.connections.cas(self._address)
            inline = {*read_at_once(result, is_download=document["kind"] in _DOWNLOADS)}
            ActionCache(cas).put(key, result.dump(), blobs_of(parts, self._tools), inline)
        except BuildInterrupted:
            return
        except RemoteRefused as error:
            with self._guard:
                was_on, self._write_on = self._write_on, False
            if was_on:
                self._tools.warn(f"{error.message}; results are not sent")
        except RemoteError as error:
            self._give_up(error)
        except (HermesError, OSError):  # what went from the store meanwhile need not be sent
            return


def _made_with(value: Value, document: Mapping[str, Any], store: Store) -> tuple[Descriptor, ...]:
    """Return the blob that an action made besides its outputs: that of the layer of folders, the uppermost of a manifest."""
    from hermes.image.assemble import Layer

    if document["kind"] != "manifest" or Layer(_folders_of(document)).is_left_out:
        return ()
    return Manifest.parse(store.blobs.read(value.digest)).layers[-1:]


def _folders_of(document: Mapping[str, Any]) -> Digest:
    """Return the layer that says what an image's folders are, from the preimage of its manifest's key."""
    return next(Digest.parse(digest) for role, _, digest in document["inputs"] if role == "folders")


def _with_address(error: HermesError, address: str) -> str:
    return error.message if address in error.message else f"{address}: {error.message}"

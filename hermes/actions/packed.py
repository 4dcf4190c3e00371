"""An action as a folder that another machine can execute, and what it gave as another: for remote execution.

The folder of an action::

    action.json          {"layers": [diff_id ...], "request": ..., "schema": 1}; see `Request.to_data`
    blobs/HEX            files, documents, targets of links, and the tars of layers
    toc/HEX              the tables of contents of layers

and the folder of what it gave::

    result.json          {"result": ..., "schema": 1} as `Result.dump` has it, or {"error": ..., "schema": 1}
    blobs/HEX, toc/HEX   the outputs
    log                  what a command printed

All names but those of the documents follow from digests of content, so equal actions are equal folders. What is read here is
not believed: a blob is its digest, and the table of contents of a layer is that of its tar.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, Protocol

from hermes.actions.kinds import LAYER
from hermes.actions.layer import link_of
from hermes.actions.local import can_travel
from hermes.actions.privacy import layers_read
from hermes.actions.specs.compress import Compress
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools
from hermes.digest import CHUNK, Digest, canonical_json, parse_json
from hermes.engine.action import LINK, Value
from hermes.engine.executor import Request, Result
from hermes.engine.key import Resolved, key_of, preimage
from hermes.errors import ActionError, HermesError, MissingBlobError, RemoteError, error_of
from hermes.layer import encodings, toc
from hermes.layer.compress import Encoding, codec_of
from hermes.layer.content import changed
from hermes.layer.entry import Entry
from hermes.layer.importing import LayerBlob, import_layer

if TYPE_CHECKING:
    from hermes.store import Store

SCHEMA: Final = 1
"""Raised when the folders mean something else than before."""

ACTION: Final = "action.json"
RESULT: Final = "result.json"
LOG: Final = "log"

_TAR: Final = "application/vnd.oci.image.layer.v1.tar"
_HERE_ONLY: Final = ("proxies",)
"""Parameters outside of the key that mean nothing on another machine."""


class Part(NamedTuple):
    """One file of a folder: its path there, what is in it, and from where.

    ``source`` is the content itself, or the path of a file that has it; None for the tar of a layer of the store.
    """

    path: str
    digest: Digest
    size: int
    source: bytes | str | None


class Folder(Protocol):
    """A folder of an action or of what it gave, wherever that is."""

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a file; raises `FileNotFoundError`."""
        ...


class LocalFolder:
    """`Folder` on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        return open(self._path / path, "rb")


def pack_action(request: Request, tools: Tools) -> tuple[Part, ...]:
    """Return the files of an action's folder.

    What the store lacks of layers is fetched. Raises `SourceError` for a source that changed, and `MissingBlobError`.
    """
    action = request.action
    unkeyed = {name: one for name, one in json.loads(action.unkeyed).items() if name not in _HERE_ONLY}
    sent = replace(request, action=replace(action, unkeyed=_text(unkeyed)), hints=frozenset())
    parts: dict[str, Part] = {}
    layers = dict.fromkeys(layers_read(request.inputs, tools))
    for one in request.inputs:
        if one.value.kind != LAYER:
            part = _input(one, tools)
            parts[part.path] = part
    for diff_id in layers:
        if not is_noted(diff_id, tools.store):  # what goes where it is already need not come here first
            tools.layers.ensure_present(diff_id)
        parts.update((part.path, part) for part in pack_layer(diff_id, tools.store))
    document = {"layers": list(layers), "request": sent.to_data(), "schema": SCHEMA}
    return _document(ACTION, document), *(parts[path] for path in sorted(parts))


def is_noted(diff_id: Digest, store: Store) -> bool:
    """Tell whether the table of contents of a layer is here, and its tar is noted to be with a remote service."""
    return store.remote_blobs.of(diff_id) is not None and os.path.exists(store.toc_path(diff_id))


def _input(one: Resolved, tools: Tools) -> Part:
    value = one.value
    path = f"blobs/{value.digest.hex}"
    if value.kind == LINK:
        data = os.fsencode(link_of(one, tools.store))
        return Part(path, value.digest, len(data), data)
    return Part(path, value.digest, value.size, tools.path_of(one))


def pack_layer(diff_id: Digest, store: Store) -> Iterator[Part]:
    """Yield the files that a layer is in a folder: its table of contents and its tar."""
    table = toc.size_of(store, diff_id)
    path = store.toc_path(diff_id)
    with open(path, "rb") as file:
        data = file.read()
    yield Part(f"toc/{diff_id.hex}", Digest.of(data), len(data), data)
    yield Part(f"blobs/{diff_id.hex}", diff_id, table, None)


def contents(part: Part, tools: Tools) -> Iterator[bytes]:
    """Yield what is in a file of a folder.

    Raises `MissingBlobError` where the store does not have it any more, and `SourceError` for a source that changed.
    """
    if isinstance(part.source, bytes):
        yield part.source
    elif part.source is not None:
        hasher = hashlib.sha256()
        with open(part.source, "rb") as file:
            while data := file.read(CHUNK):
                hasher.update(data)
                yield data
        if hasher.hexdigest() != part.digest.hex:
            raise changed(part.source)
    else:
        tools.layers.ensure_present(part.digest)
        if encodings.find_any(tools.store, part.digest) is None:
            tools.layers.packed(part.digest, None)
        with encodings.open_tar(tools.store, part.digest) as tar:
            yield from tar.chunks()


def write_folder(parts: Iterable[Part], folder: Path, tools: Tools) -> None:
    """Write files of a folder, which is made."""
    for part in parts:
        path = folder / part.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            file.writelines(contents(part, tools))


def admit_action(folder: Folder, store: Store) -> Request:
    """Take an action from its folder; what it reads is in the store then.

    Raises `RemoteError` for one of another version of Hermes, or that a machine executes for itself only, and
    `MissingBlobError` when something is missing or is not what it should be.
    """
    document = _read(folder, ACTION)
    _check_schema(document)
    request, layers = _request(document)
    for one in request.inputs:
        if one.value.kind != LAYER:
            admit_blob(folder, store, one.value.digest)
    for diff_id in layers:
        admit_layer(folder, store, diff_id)
    return request


def admit_layer(folder: Folder, store: Store, diff_id: Digest) -> None:
    """Take a layer from a folder unless the store has it; raises as `admit_action`."""
    if not encodings.available(store, diff_id):
        admit_tar(folder, store, table_in(folder, diff_id))


def admit_tar(folder: Folder, store: Store, table: toc.TableOfContents) -> None:
    """Take the tar of a layer from a folder, whose table of contents is kept with it; raises as `admit_action`."""
    diff_id = table.diff_id
    tar = f"blobs/{diff_id.hex}"

    def checked(made: Collection[Entry]) -> Collection[Entry]:
        if len(made) != len(table.entries) or any(
            _in_tar(one) != _in_tar(other) for one, other in zip(made, table.entries, strict=True)
        ):
            with suppress(FileNotFoundError):
                os.unlink(store.toc_path(diff_id))
            raise MissingBlobError(
                f"toc/{diff_id.hex} is not the table of contents of that layer", digest=diff_id
            )
        return table.entries

    blob = LayerBlob(diff_id, table.size, diff_id, _TAR)
    import_layer(
        store, blob, lambda: _opened(folder, tar, diff_id), name=f"layer {diff_id.short}", checked=checked
    )


def table_in(folder: Folder, diff_id: Digest) -> toc.TableOfContents:
    """Return a layer's table of contents, which says which folders are only passed through; no tar does.

    Raises `MissingBlobError`.
    """
    path = f"toc/{diff_id.hex}"
    with _opened(folder, path, diff_id) as file:
        data = file.read()
    try:
        found = toc.TableOfContents.load(data)
    except toc.DAMAGES as error:
        raise MissingBlobError(f"{path} cannot be read: {error!r}", digest=diff_id) from None
    if found.diff_id != diff_id:
        raise MissingBlobError(f"{path} is that of layer {found.diff_id}", digest=diff_id)
    return found


def _in_tar(entry: Entry) -> Entry:
    """Return what a tar says of an entry."""
    return entry._replace(passed=False, digest="" if entry.is_whiteout else entry.digest)


def admit_blob(folder: Folder, store: Store, digest: Digest) -> None:
    """Take a blob from a folder unless the store has it; raises as `admit_action`."""
    if store.blobs.has(digest):
        return
    with _opened(folder, f"blobs/{digest.hex}", digest) as file, store.blobs.writer() as writer:
        while data := file.read(CHUNK):
            writer.write(data)
        if writer.digest != digest:
            raise MissingBlobError(f"blobs/{digest.hex} does not match its digest", digest=digest)
        writer.commit()


def pack_result(result: Result | HermesError, key: str, store: Store) -> tuple[Part, ...]:
    """Return the files of the folder of what an action gave, or of its error; ``key`` is empty if it is not known."""
    parts: dict[str, Part] = {}
    log = store.log_path(key)
    if key and os.path.exists(log) and (size := os.path.getsize(log)):
        with open(log, "rb") as file:
            parts[LOG] = Part(LOG, Digest.of(file.read()), size, log)
    if isinstance(result, HermesError):
        error = result.to_data()
        if isinstance(result, ActionError):
            error["log"] = LOG if LOG in parts and result.log else ""
        return _document(RESULT, {"error": error, "schema": SCHEMA}), *parts.values()
    for value in result.outputs.values():
        if value.kind == LAYER:
            parts.update((part.path, part) for part in pack_layer(value.digest, store))
        else:
            path = f"blobs/{value.digest.hex}"
            parts[path] = Part(path, value.digest, value.size, store.blobs.path(value.digest))
    document = {"result": parse_json(result.dump()), "schema": SCHEMA}
    return _document(RESULT, document), *(parts[path] for path in sorted(parts))


def _request(document: Mapping[str, Any]) -> tuple[Request, list[Digest]]:
    """Return the request in an action's document, and the layers that it reads; raises `RemoteError`."""
    try:
        request = Request.of_data(document["request"])
        layers = list(map(Digest.parse, document["layers"]))
        if request.key != key_of(preimage(request.action, request.inputs)):
            raise RemoteError("the key of the action is not that of its parameters and inputs")
        _check_executable(request)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RemoteError(f"{ACTION} is not an action: {error!r}") from None
    return request, layers


def _check_executable(request: Request) -> None:
    """Raise `RemoteError` for an action that a machine executes for itself only, or whose encoder this one does not have."""
    action = request.action
    if not can_travel(action):
        raise RemoteError(f"an action of kind {action.kind} with such parameters is not for other machines")
    if (
        action.kind == Compress.kind
        and (found := of_request(Compress[Resolved], request).codec_identity) != action.codec
    ):
        raise RemoteError(
            f"the action compresses with {action.codec}, and this machine with {found}",
            hint="use one version of Hermes and of its libraries for builds and workers",
        )


def result_in(folder: Folder, request: Request, log: str) -> Result:
    """Return what an action gave, from its folder; ``log`` is the path that the log has here.

    Raises the error of the action, or `RemoteError` when this is not a result of it.
    """
    document = _read(folder, RESULT)
    _check_schema(document)
    try:
        error = error_of(document["error"]) if "error" in document else None
        result = Result.load(canonical_json(document["result"])) if error is None else None
        if error is not None:
            error.render()
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise RemoteError(f"{RESULT} is not a result: {wrong!r}") from None
    if error is not None:
        if isinstance(error, ActionError):
            error.log = log if error.log else ""
        raise error
    if result is None or set(result.outputs) != set(request.action.outputs):
        raise RemoteError("the other machine did not give what the action should give")
    return replace(result, executed=True)


def admit_result(folder: Folder, request: Request, store: Store) -> Result:
    """Take all that an action gave from its folder; raises as `result_in` and `admit_action` do."""
    result = admit_log(folder, request, store)
    for value in result.outputs.values():
        if value.kind == LAYER:
            admit_layer(folder, store, value.digest)
        else:
            admit_blob(folder, store, value.digest)
    return result


def admit_log(folder: Folder, request: Request, store: Store) -> Result:
    """Take of what an action gave the log, and return the result, whose outputs are still to be taken; raises as `result_in`."""
    log = store.log_path(request.key)
    try:
        with folder.open(LOG) as file:
            store.write_pieces(log, iter(lambda: file.read(CHUNK), b""))
    except FileNotFoundError:
        store.write(log, b"")
    result = result_in(folder, request, log)
    if request.action.kind == Compress.kind:
        _note_encoding(of_request(Compress[Resolved], request), result.outputs["blob"], store)
    return result


def _note_encoding(spec: Compress[Resolved], blob: Value, store: Store) -> None:
    codec = codec_of(spec.codec)
    encodings.record(store, spec.layer.value.digest, Encoding(blob.digest, blob.size, codec))


def _opened(folder: Folder, path: str, digest: Digest) -> AbstractContextManager[BinaryIO]:
    try:
        return folder.open(path)
    except FileNotFoundError:
        raise MissingBlobError(f"the folder of the action has no {path}", digest=digest) from None


def _read(folder: Folder, path: str) -> Mapping[str, Any]:
    try:
        with folder.open(path) as file:
            document = parse_json(file.read())
    except (OSError, ValueError) as error:
        raise RemoteError(f"{path} cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise RemoteError(f"{path} is not a JSON object")
    return document


def _check_schema(document: Mapping[str, Any]) -> None:
    if document.get("schema") != SCHEMA:
        raise RemoteError(
            f"the action is packed in schema {document.get('schema')}, and this version of Hermes knows {SCHEMA}",
            hint="use one version of Hermes for builds and workers",
        )


def _document(path: str, document: Mapping[str, Any]) -> Part:
    data = canonical_json(document)
    return Part(path, Digest.of(data), len(data), data)


def _text(values: Mapping[str, Any]) -> str:
    return canonical_json(values).decode("utf-8", "surrogateescape")

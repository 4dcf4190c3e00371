"""The image of a working container: the layer of what changed, what is below it, and the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from hermes.build.epoch import epoch
from hermes.container.commit_options import CommitOptions
from hermes.container.layer_forms import LayerForms
from hermes.container.state import COMMENT, CREATED_BY, State
from hermes.container.working import WorkingContainers
from hermes.digest import Digest
from hermes.image import docker
from hermes.image.assemble import DOCKER, OCI, Layer, assemble, depth_warning
from hermes.image.config import timestamp
from hermes.image.descriptor import Descriptor
from hermes.image.kept import kept_blob
from hermes.image.media_types import is_distributable, layer_type
from hermes.layer import toc
from hermes.layer.compress import Codec
from hermes.layer.folders import Folders
from hermes.store import Store


def committed(
    name: str,
    working: WorkingContainers,
    forms: LayerForms,
    store: Store,
    options: CommitOptions,
    say: Callable[[str], None],
) -> tuple[State, Descriptor]:
    """Commit a container; return what it is then, and the manifest of its image.

    ``say`` is told what of it the image's format cannot hold.
    """
    seconds = epoch() if options.seconds is None else options.seconds
    codec = options.codec

    def history(state: State, made: bool) -> list[dict[str, Any]]:
        if not made and state.settings == state.committed:
            return []
        row: dict[str, Any] = {"created": timestamp(seconds), "created_by": _created_by(state)}
        if comment := state.document.get(COMMENT):
            row["comment"] = comment
        return [row if made else {**row, "empty_layer": True}]

    state = working.commit(name, mtime=seconds, codec=codec, history=history)
    stack = [one.diff_id for one in state.stack]
    base: Sequence[Descriptor | None] = state.base
    if options.recompress:
        base = [None if is_distributable(one.media_type) else one for one in state.base]
    document = dict(state.document)
    if options.squash and stack:
        stack, base = [working.squash(state, codec)], ()
        document["history"] = [
            {"created": timestamp(seconds), "created_by": f"hermes ctr commit --squash ({state.image})"}
        ]
    if not state.base:  # an image has seen to it, where the container was made from one
        stack = [*stack, *_topmost(store, stack, document, seconds, codec)]
    return state, _written(store, forms, document, stack, base, options, timestamp(seconds), say)


def _written(
    store: Store,
    forms: LayerForms,
    document: Mapping[str, Any],
    stack: Sequence[Digest],
    base: Sequence[Descriptor | None],
    options: CommitOptions,
    created: str,
    say: Callable[[str], None],
) -> Descriptor:
    is_docker = options.format == "docker"
    codec = options.codec
    layers = [
        Layer(
            diff_id,
            _blob_of(store, forms, diff_id, blob, codec, is_docker=is_docker),
            of_base=number < len(base),
        )
        for number, (diff_id, blob) in enumerate(zip_longest(stack, base))
    ]
    config = dict(document.get("config") or {})
    annotations = document.get("annotations") or {}
    if is_docker and annotations:
        say("warning: an image in Docker's format has no annotations; they are left out")
    for name in docker.SETTINGS if not is_docker else ():
        if config.pop(name, None):
            say(f"warning: an OCI image has no {name}; it is left out (see --format docker)")
    if document.get("comment") and not is_docker:
        say("warning: an OCI image has no comment; it is left out (see --format docker)")
    made = assemble(
        {**document, "config": config, "created": created},
        layers,
        document.get("history") or [],
        annotations,
        DOCKER if is_docker else OCI,
        comment=document.get("comment", "") if is_docker else "",
    )
    if warning := depth_warning(made.document):
        say(f"warning: {warning}")
    store.blobs.put(made.config)
    text = made.manifest.to_bytes()
    return Descriptor(made.manifest.media_type, store.blobs.put(text), len(text))


def _topmost(
    store: Store, stack: Sequence[Digest], document: dict[str, Any], seconds: int, codec: Codec
) -> Iterator[Digest]:
    """Yield a layer that says what the folders of layers are which stand on no image, if one is needed."""
    from hermes.layer.topmost import store_topmost

    folders = [Folders.of(toc.load(store, one)) for one in stack]
    top = store_topmost(store, folders, mtime=seconds, codec=codec)
    if top.entries:
        row = {"created": timestamp(seconds), "created_by": "hermes ctr commit (folders)"}
        document["history"] = [*(document.get("history") or ()), row]
        yield top.diff_id


def _blob_of(
    store: Store,
    forms: LayerForms,
    diff_id: Digest,
    base: Descriptor | None,
    codec: Codec,
    *,
    is_docker: bool,
) -> Descriptor:
    """Return the blob of a layer in an image: that which it has in the base, or else one of ours."""
    kept = kept_blob(store, diff_id, base, is_docker=is_docker) if base is not None else None
    if kept is not None:
        return kept
    made = forms.compressed(diff_id, codec)
    return Descriptor(layer_type(made.form, is_docker=is_docker), made.digest, made.size)


def _created_by(state: State) -> str:
    given = state.document.get(CREATED_BY)
    return str(given or "; ".join(f"hermes ctr {one}" for one in state.steps) or "hermes ctr commit")

"""``compose``: the configuration and manifest of an image whose settings are known, of those layers that hold anything.

A layer without entries, such as of a command that changed nothing, is left out and its history says so. Layers of a
base stay as they are there and need not be here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hermes.actions.environment import Environment
from hermes.actions.kinds import LAYERS, MANIFEST
from hermes.actions.tools import Tools, of_role, params_of, stored
from hermes.digest import Digest, canonical_json
from hermes.engine.action import FILE, Outputs
from hermes.engine.executor import Request
from hermes.image.config import readable
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Manifest
from hermes.layer import toc


class _Layer(NamedTuple):
    diff_id: Digest
    blob: Descriptor
    is_empty: bool


def execute(request: Request, tools: Tools) -> Outputs:
    params = params_of(request)
    owner = request.action.owner
    media: Mapping[str, str] = params["media_types"]
    layers = _layers(request, params, media["layer"], tools)
    full = [one for one in layers if not one.is_empty]
    document: dict[str, Any] = readable(params["document"])
    document["history"] = readable(_history(params["history"], layers))
    document["rootfs"] = {"diff_ids": [one.diff_id for one in full], "type": "layers"}
    tools.check_document(owner, "the image's configuration", document)
    tools.check_document(owner, "an annotation", params["annotations"])
    config = stored(tools.store, FILE, canonical_json(document))
    manifest = Manifest(
        Descriptor(media["config"], config.digest, config.size),
        tuple(one.blob for one in full),
        tuple(sorted(readable(params["annotations"]).items())),
        media["manifest"],
    )
    environment = Environment.from_json(document.get("config") or {}).to_json()
    return {
        "config": config,
        "environment": stored(tools.store, FILE, canonical_json(environment)),
        "layers": stored(tools.store, LAYERS, canonical_json([one.diff_id for one in full])),
        "manifest": stored(tools.store, MANIFEST, manifest.to_bytes()),
    }


def _layers(request: Request, params: Mapping[str, Any], media_type: str, tools: Tools) -> list[_Layer]:
    """Return the layers in their order: those that are kept as they are, and the inputs between them."""
    layers, blobs = of_role(request, "layer"), of_role(request, "blob")
    found = []
    for number, kept in enumerate(params["kept"]):
        if kept is not None:
            found.append(_Layer(Digest(kept["diff_id"]), Descriptor.from_json(kept), is_empty=False))
            continue
        layer, blob = next(layers).value.digest, next(blobs).value
        is_empty = number >= params["base_layers"] and not toc.load(tools.store, layer).entries
        found.append(_Layer(layer, Descriptor(media_type, blob.digest, blob.size), is_empty))
    return found


def _history(rows: list[dict[str, Any]], layers: list[_Layer]) -> list[dict[str, Any]]:
    """Return the history; of the rows that have a layer, each stands for the next one."""
    left = iter(layers)
    found = []
    for row in rows:
        is_empty = row.get("empty_layer") or next(left).is_empty
        found.append({**row, "empty_layer": True} if is_empty else row)
    return found

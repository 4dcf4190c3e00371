"""``compose``: the configuration and manifest of an image whose settings are known, of those layers that hold anything.

A layer without entries, such as of a command that changed nothing, is left out and its history says so.
"""

from __future__ import annotations

from typing import Any

from hermes.actions.kinds import MANIFEST
from hermes.actions.tools import Tools, of_role, params_of, stored
from hermes.digest import canonical_json
from hermes.engine.action import FILE, Outputs
from hermes.engine.executor import Request
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Manifest
from hermes.layer import toc


def execute(request: Request, tools: Tools) -> Outputs:
    params = params_of(request)
    owner = request.action.owner
    layers = [one.value.digest for one in of_role(request, "layer")]
    blobs = [one.value for one in of_role(request, "blob")]
    kept = [
        number < params["base_layers"] or bool(toc.load(tools.store, one).entries)
        for number, one in enumerate(layers)
    ]
    document: dict[str, Any] = dict(params["document"])
    document["history"] = _history(params["history"], kept)
    diff_ids = [one for one, keep in zip(layers, kept, strict=True) if keep]
    document["rootfs"] = {"diff_ids": diff_ids, "type": "layers"}
    tools.check_document(owner, "the image's configuration", document)
    tools.check_document(owner, "an annotation", params["annotations"])
    config = stored(tools.store, FILE, canonical_json(document))
    media = params["media_types"]
    manifest = Manifest(
        Descriptor(media["config"], config.digest, config.size),
        tuple(
            Descriptor(media["layer"], one.digest, one.size)
            for one, keep in zip(blobs, kept, strict=True)
            if keep
        ),
        tuple(sorted(params["annotations"].items())),
        media["manifest"],
    )
    return {"config": config, "manifest": stored(tools.store, MANIFEST, manifest.to_bytes())}


def _history(rows: list[dict[str, Any]], kept: list[bool]) -> list[dict[str, Any]]:
    """Return the history; of the rows that have a layer, each stands for the next one."""
    layers = iter(kept)
    found = []
    for row in rows:
        is_empty = row.get("empty_layer") or not next(layers)
        found.append({**row, "empty_layer": True} if is_empty else row)
    return found

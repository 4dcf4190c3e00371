"""``compose``: the configuration and manifest of an image whose settings are known; see `hermes.image.assemble`.

Layers of a base stay as they are there and need not be here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hermes.actions.environment import Environment
from hermes.actions.kinds import LAYERS, MANIFEST
from hermes.actions.tools import Tools, of_role, params_of, stored
from hermes.digest import Digest, canonical_json
from hermes.engine.action import FILE, Outputs
from hermes.engine.executor import Request
from hermes.image.assemble import Format, Layer, assemble
from hermes.image.descriptor import Descriptor


def execute(request: Request, tools: Tools) -> Outputs:
    params = params_of(request)
    owner = request.action.owner
    media: Mapping[str, str] = params["media_types"]
    made = assemble(
        params["document"],
        list(_layers(request, params, media["layer"])),
        params["history"],
        params["annotations"],
        Format(media["manifest"], media["config"]),
    )
    tools.check_document(owner, "the image's configuration", made.document)
    tools.check_document(owner, "an annotation", params["annotations"])
    environment = Environment.from_json(made.document["config"]).to_json()
    return {
        "config": stored(tools.store, FILE, made.config),
        "environment": stored(tools.store, FILE, canonical_json(environment)),
        "layers": stored(tools.store, LAYERS, canonical_json([one.diff_id for one in made.layers])),
        "manifest": stored(tools.store, MANIFEST, made.manifest.to_bytes()),
    }


def _layers(request: Request, params: Mapping[str, Any], media_type: str) -> Iterator[Layer]:
    """Yield the layers in their order: those that are kept as they are, and the inputs between them."""
    layers, blobs = of_role(request, "layer"), of_role(request, "blob")
    for number, kept in enumerate(params["kept"]):
        of_base = number < params["base_layers"]
        if kept is not None:
            yield Layer(Digest(kept["diff_id"]), Descriptor.from_json(kept), of_base)
            continue
        blob = next(blobs).value
        descriptor = Descriptor(media_type, blob.digest, blob.size)
        yield Layer(next(layers).value.digest, descriptor, of_base)

"""``manifest``: the document that names an image's configuration and its compressed layers."""

from __future__ import annotations

from hermes.actions.kinds import MANIFEST
from hermes.actions.tools import Tools, of_role, params_of, stored
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.image.descriptor import IMAGE_CONFIG, Descriptor
from hermes.image.docker import as_oci
from hermes.image.manifest import Manifest


def execute(request: Request, tools: Tools) -> Outputs:
    params = params_of(request)
    for name, value in params["annotations"].items():
        tools.check_document(request.action.owner, "an annotation", {name: value})
    layers: list[Descriptor] = []
    for one in request.inputs:
        if one.role == "blob":
            layers.append(Descriptor(params["media_type"], one.value.digest, one.value.size))
        elif one.role == "base":
            layers += map(as_oci, Manifest.parse(tools.store.blobs.read(one.value.digest)).layers)
    config = next(of_role(request, "config")).value
    manifest = Manifest(
        Descriptor(IMAGE_CONFIG, config.digest, config.size),
        tuple(layers),
        tuple(sorted(params["annotations"].items())),
    )
    return {"manifest": stored(tools.store, MANIFEST, manifest.to_bytes())}

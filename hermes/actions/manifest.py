"""``manifest``: the document that names an image's configuration and its compressed layers."""

from __future__ import annotations

from collections.abc import Iterator

from hermes.actions.kinds import MANIFEST
from hermes.actions.tools import Tools, of_role, params_of, stored
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.image.assemble import Layer, manifest_of
from hermes.image.descriptor import IMAGE_CONFIG, Descriptor
from hermes.image.manifest import Manifest
from hermes.image.media_types import as_oci


def execute(request: Request, tools: Tools) -> Outputs:
    params = params_of(request)
    for name, value in params["annotations"].items():
        tools.check_document(request.action.owner, "an annotation", {name: value})
    config = next(of_role(request, "config")).value
    descriptor = Descriptor(IMAGE_CONFIG, config.digest, config.size)
    blobs = _blobs(request, tools, params["media_type"])
    manifest = manifest_of(descriptor, blobs, params["annotations"])
    return {"manifest": stored(tools.store, MANIFEST, manifest.to_bytes())}


def _blobs(request: Request, tools: Tools, media_type: str) -> Iterator[Descriptor]:
    """Yield the blobs of the layers that are in the image; each input ``blob`` holds the next ``layer``."""
    layers = of_role(request, "layer")
    for one in request.inputs:
        if one.role == "blob":
            if not Layer(next(layers).value.digest).is_left_out:
                yield Descriptor(media_type, one.value.digest, one.value.size)
        elif one.role == "base":
            yield from map(as_oci, Manifest.parse(tools.store.blobs.read(one.value.digest)).layers)

"""``base_layer``: a layer of a base image, which is in the store, or comes there now."""

from __future__ import annotations

from hermes.actions.kinds import LAYER
from hermes.actions.specs.base_layer import BaseLayer
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import MissingBlobError
from hermes.layer import encodings, toc


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `MissingBlobError` when the layer is not in the store and nobody has promised it."""
    digest = of_request(BaseLayer[Resolved], request).diff_id
    tools.layers.ensure_present(digest)
    if not encodings.available(tools.store, digest):
        raise MissingBlobError(
            f"the store does not hold layer {digest} any more",
            digest=digest,
            hint="take the base image into the store again",
        )
    return {"layer": Value(LAYER, digest, toc.load(tools.store, digest).size)}

"""``squash``: a stack of layers as one, for the layers that are below it, if there are any."""

from __future__ import annotations

from hermes.actions.kinds import LAYER
from hermes.actions.specs.spec import of_request
from hermes.actions.specs.squash import Squash
from hermes.actions.tools import Tools, hinted_codec, layers_of
from hermes.container.stack import StackEntry
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.layer.compress import ZSTD


def execute(request: Request, tools: Tools) -> Outputs:
    spec = of_request(Squash[Resolved], request)
    stack = [StackEntry(one.value.digest, one.path) for one in spec.roots]
    below = [one.value.digest for listed in layers_of(spec.below, tools) for one in listed]
    for one in below:
        tools.layers.ensure_present(one)
    found = tools.layers.squashed(stack, hinted_codec(request) or ZSTD, below, spec.mtime)
    return {"layer": Value(LAYER, found.diff_id, found.size)}

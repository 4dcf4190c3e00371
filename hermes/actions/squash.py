"""``squash``: a stack of layers as one, for the layers that are below it, if there are any."""

from __future__ import annotations

from hermes.actions.kinds import LAYER
from hermes.actions.tools import Tools, hinted_codec, of_role, params_of
from hermes.digest import Digest
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request
from hermes.layer.compress import ZSTD


def execute(request: Request, tools: Tools) -> Outputs:
    stack = [(one.value.digest, one.path) for one in of_role(request, "root")]
    for digest, _ in stack:
        tools.containers.ensure_tree(digest)
    codec = hinted_codec(request) or ZSTD
    found = tools.containers.call(
        "hermes.container.steps:squash",
        {
            "home": str(tools.store.home),
            "stack": stack,
            "codec": codec.name,
            "below": [one.value.digest for one in of_role(request, "below")],
            "mtime": params_of(request).get("mtime", 0),
        },
    )
    return {"layer": Value(LAYER, Digest(found["diff_id"]), found["size"])}

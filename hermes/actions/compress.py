"""``compress``: a layer as the blob that an image refers to."""

from __future__ import annotations

import json

from hermes.actions.kinds import BLOB
from hermes.actions.tools import Tools
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request
from hermes.layer.compress import codec_of


def execute(request: Request, tools: Tools) -> Outputs:
    codec = codec_of(json.loads(request.action.unkeyed)["codec"])
    assert codec is not None
    encoding = tools.containers.encoded(request.inputs[0].value.digest, codec)
    return {"blob": Value(BLOB, encoding.digest, encoding.size)}

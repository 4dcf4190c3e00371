"""``compress``: a layer as the blob that an image refers to."""

from __future__ import annotations

import json

from hermes.actions.kinds import BLOB
from hermes.actions.tools import Tools
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request
from hermes.layer.compress import CODECS


def execute(request: Request, tools: Tools) -> Outputs:
    codec = CODECS[json.loads(request.action.unkeyed)["codec"]]
    encoding = tools.containers.encoded(request.inputs[0].value.digest, codec)
    return {"blob": Value(BLOB, encoding.digest, encoding.size)}

"""``compress``: a layer as the blob that an image refers to."""

from __future__ import annotations

from hermes.actions.kinds import BLOB
from hermes.actions.specs.compress import Compress
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.layer.compress import codec_of


def execute(request: Request, tools: Tools) -> Outputs:
    spec = of_request(Compress[Resolved], request)
    codec = codec_of(spec.codec)
    assert codec is not None
    encoding = tools.layers.compressed(spec.layer.value.digest, codec)
    return {"blob": Value(BLOB, encoding.digest, encoding.size)}

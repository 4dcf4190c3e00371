"""``compress``: a layer as the blob that an image refers to."""

from __future__ import annotations

import json

from hermes.actions.kinds import BLOB
from hermes.actions.tools import Tools
from hermes.digest import Digest
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request
from hermes.layer import encodings
from hermes.layer.compress import CODECS, Codec
from hermes.layer.write import Encoding, compress


def execute(request: Request, tools: Tools) -> Outputs:
    codec = CODECS[json.loads(request.action.unkeyed)["codec"]]
    encoding = _encoded(request.inputs[0].value.digest, codec, tools)
    return {"blob": Value(BLOB, encoding.digest, encoding.size)}


def _encoded(diff_id: Digest, codec: Codec, tools: Tools) -> Encoding:
    if found := encodings.find(tools.store, diff_id, codec):
        return found
    if encodings.find_any(tools.store, diff_id) is None:
        return tools.containers.pack(diff_id, codec)
    with encodings.open_tar(tools.store, diff_id) as tar:
        encoding = compress(tar.chunks(), tools.store.blobs, codec)
    encodings.record(tools.store, diff_id, encoding)
    return encoding

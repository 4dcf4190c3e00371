"""``index``: the document that names the images of several platforms; see image-spec, image-index.md."""

from __future__ import annotations

from hermes.actions.kinds import INDEX
from hermes.actions.specs.index import Index
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Index as ImageIndex
from hermes.image.manifest import described
from hermes.image.platform import Platform


def execute(request: Request, tools: Tools) -> Outputs:
    spec = of_request(Index[Resolved], request)
    for name, value in spec.annotations.items():
        tools.check_document("an annotation", {name: value})
    manifests = []
    for one in spec.manifests:
        found = described(tools.store.blobs.read(one.value.digest), "a manifest")
        platform = Platform.parse(one.path)
        manifests.append(Descriptor(found.media_type, found.digest, found.size, platform=platform))
    index = ImageIndex(tuple(manifests), tuple(sorted(spec.annotations.items())))
    return {"index": stored(tools.store, INDEX, index.to_bytes())}

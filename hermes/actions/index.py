"""``index``: the document that names the images of several platforms; see image-spec, image-index.md."""

from __future__ import annotations

from hermes.actions.kinds import INDEX
from hermes.actions.tools import Tools, of_role, params_of, stored
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Index, described
from hermes.image.platform import Platform


def execute(request: Request, tools: Tools) -> Outputs:
    params = params_of(request)
    for name, value in params["annotations"].items():
        tools.check_document(request.action.owner, "an annotation", {name: value})
    manifests = []
    for one in of_role(request, "manifest"):
        found = described(tools.store.blobs.read(one.value.digest), f"{request.action.owner}: a manifest")
        platform = Platform.parse(one.path)
        manifests.append(Descriptor(found.media_type, found.digest, found.size, platform=platform))
    index = Index(tuple(manifests), tuple(sorted(params["annotations"].items())))
    return {"index": stored(tools.store, INDEX, index.to_bytes())}

"""``assemble_image``: the configuration and manifest of an image whose settings are known; see `hermes.image.assemble`.

Layers of a base stay as they are there and need not be here.
"""

from __future__ import annotations

from collections.abc import Iterator

from hermes.actions.environment import Environment
from hermes.actions.kinds import LAYERS, MANIFEST
from hermes.actions.specs.assemble_image import AssembleImage
from hermes.actions.specs.spec import of_request
from hermes.actions.specs.stack import Kept
from hermes.actions.tools import Tools, stored
from hermes.digest import canonical_json
from hermes.engine.action import FILE, Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.image.assemble import Format, Layer, assemble, depth_warning
from hermes.image.descriptor import Descriptor


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `SecretLeaked` when a secret is in what the image says."""
    spec = of_request(AssembleImage[Resolved], request)
    media = spec.media_types
    form = Format(media.manifest, media.config)
    document = dict(spec.document)
    if spec.labels is not None:
        document["config"] = {**document["config"], "Labels": tools.document(spec.labels.value)}
    made = assemble(document, list(_layers(spec)), spec.history, spec.annotations, form)
    tools.check_document("the image's configuration", made.document)
    tools.check_document("an annotation", spec.annotations)
    if warning := depth_warning(made.document):
        tools.warn(f"{request.action.owner}: {warning}")
    environment = Environment.from_json(made.document["config"]).to_json()
    return {
        "config": stored(tools.store, FILE, made.config),
        "environment": stored(tools.store, FILE, canonical_json(environment)),
        "layers": stored(tools.store, LAYERS, canonical_json([one.diff_id for one in made.layers])),
        "manifest": stored(tools.store, MANIFEST, made.manifest.to_bytes()),
    }


def _layers(spec: AssembleImage[Resolved]) -> Iterator[Layer]:
    """Yield the layers in their order."""
    for number, one in enumerate(spec.layers):
        of_base = number < spec.base_layers
        if isinstance(one, Kept):
            yield Layer(one.diff_id, one.blob, of_base)
            continue
        blob = one.blob.value
        descriptor = Descriptor(spec.media_types.layer, blob.digest, blob.size)
        yield Layer(one.layer.value.digest, descriptor, of_base)

"""``manifest``: the document that names an image's configuration and its compressed layers."""

from __future__ import annotations

from collections.abc import Iterator

from hermes.actions.kinds import MANIFEST
from hermes.actions.specs import manifest as specs
from hermes.actions.specs.spec import of_request
from hermes.actions.specs.stack import Whole
from hermes.actions.tools import Tools, stored
from hermes.engine.action import Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.image.assemble import DOCKER, OCI, Layer, manifest_of
from hermes.image.descriptor import Descriptor
from hermes.image.manifest import Manifest
from hermes.image.media_types import as_format
from hermes.layer.compress import codec_of


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `SecretLeaked` when a secret is in an annotation."""
    spec = of_request(specs.Manifest[Resolved], request)
    for name, value in spec.annotations.items():
        tools.check_document("an annotation", {name: value})
    config = spec.config.value
    form = DOCKER if spec.docker else OCI
    descriptor = Descriptor(form.config, config.digest, config.size)
    manifest = manifest_of(descriptor, _blobs(spec, tools), spec.annotations, form)
    return {"manifest": stored(tools.store, MANIFEST, manifest.to_bytes())}


def _blobs(spec: specs.Manifest[Resolved], tools: Tools) -> Iterator[Descriptor]:
    """Yield the blobs of the layers that are in the image; that of ``folders`` is made here, if it is not there yet."""
    for one in spec.layers:
        if isinstance(one, Whole):
            document = tools.store.blobs.read(one.manifest.value.digest)
            yield from (as_format(layer, is_docker=spec.docker) for layer in Manifest.parse(document).layers)
        elif not Layer(one.layer.value.digest).is_left_out:
            yield Descriptor(spec.media_type, one.blob.value.digest, one.blob.value.size)
    if not Layer(spec.folders.value.digest).is_left_out:
        codec = codec_of(spec.codec)
        assert codec is not None
        made = tools.layers.compressed(spec.folders.value.digest, codec)
        yield Descriptor(spec.media_type, made.digest, made.size)

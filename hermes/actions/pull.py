"""``pull``: an image of a registry, known by its digest, of which the documents come now and the layers when needed."""

from __future__ import annotations

from hermes.actions.environment import Environment
from hermes.actions.kinds import LAYERS, MANIFEST
from hermes.actions.specs.pull import Pull
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.digest import canonical_json
from hermes.engine.action import FILE, Outputs, Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.registry.interruption import interruptible
from hermes.transports import REGISTRY
from hermes.transports.examining import Image
from hermes.transports.table import opened
from hermes.transports.taking import import_image


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `RegistryError`, `UsageError` when the image is not there or not for the platform."""
    spec = of_request(Pull[Resolved], request)
    assert tools.registry is not None
    name = Reference.parse(spec.ref)
    exact = Reference(name.host, name.path, "", spec.digest)
    platform = Platform.parse(request.action.platform)
    registry = tools.registry

    def pull() -> Image:
        with opened(f"{REGISTRY}{exact}", tools.store, registry) as origin:
            return import_image(origin, tools.store, platform, lazy=True)

    pulled = interruptible(pull, tools.cancelled)
    manifest, document = pulled.descriptor, pulled.manifest.config
    config = Value(FILE, document.digest, document.size)
    environment = Environment.from_json(tools.document(config).get("config") or {})
    return {
        "config": config,
        "environment": stored(tools.store, FILE, canonical_json(environment.to_json())),
        "layers": stored(tools.store, LAYERS, canonical_json([diff_id for _, diff_id in pulled.layers])),
        "manifest": Value(MANIFEST, manifest.digest, manifest.size),
    }

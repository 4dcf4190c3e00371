"""``pull``: an image of a registry, known by its digest, of which the documents come now and the layers when needed."""

from __future__ import annotations

import json

from hermes.actions.environment import Environment
from hermes.actions.kinds import LAYERS, MANIFEST
from hermes.actions.tools import Tools, params_of, stored
from hermes.digest import Digest, canonical_json
from hermes.engine.action import FILE, Outputs, Value
from hermes.engine.executor import Request
from hermes.errors import HermesError
from hermes.image.platform import Platform
from hermes.image.reference import Reference
from hermes.registry.client import parse_name
from hermes.registry.interruption import interruptible
from hermes.registry.prefixes import TRANSPORT
from hermes.registry.pull import pull


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `RegistryError`, `UsageError` when the image is not there or not for the platform."""
    assert tools.registry is not None
    name = parse_name(TRANSPORT + json.loads(request.action.unkeyed)["ref"])
    exact = Reference(name.host, name.path, "", Digest.parse(params_of(request)["digest"]))
    platform = Platform.parse(request.action.platform)
    try:
        client = tools.registry()
        pulled = interruptible(
            lambda: pull(client, exact, tools.store, platform, layers=False), tools.cancelled
        )
    except HermesError as error:
        error.message = f"{request.action.owner}: {error.message}"
        raise
    config = Value(FILE, pulled.config.digest, pulled.config.size)
    environment = Environment.from_json(tools.document(config).get("config") or {})
    return {
        "config": config,
        "environment": stored(tools.store, FILE, canonical_json(environment.to_json())),
        "layers": stored(tools.store, LAYERS, canonical_json(list(pulled.diff_ids))),
        "manifest": Value(MANIFEST, pulled.manifest.digest, pulled.manifest.size),
    }

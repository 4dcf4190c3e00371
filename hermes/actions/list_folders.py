"""``list_folders``: what images on an image have to know of its tree, as `hermes.layer.folders.noted` has it."""

from __future__ import annotations

from hermes.actions.specs.list_folders import ListFolders
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, layers_of, stored
from hermes.digest import canonical_json
from hermes.engine.action import FILE, Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.layer import toc
from hermes.layer.folders import notable, noted
from hermes.layer.view import View


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises as `hermes.container.layer_forms.LayerForms.ensure_present` does for a layer that nobody has."""
    spec = of_request(ListFolders[Resolved], request)
    tables = []
    for listed in layers_of([spec.layers], tools):
        for one in listed:
            tools.layers.ensure_present(one.value.digest)
            tables.append(toc.load(tools.store, one.value.digest))
    return {"folders": stored(tools.store, FILE, canonical_json(noted(notable(View(tables)))))}

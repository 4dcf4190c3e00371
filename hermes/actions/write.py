"""``write``: a file with given text."""

from __future__ import annotations

from hermes.actions.specs.spec import of_request
from hermes.actions.specs.write import Write
from hermes.actions.tools import Tools, stored
from hermes.engine.action import EXECUTABLE, FILE, Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved


def execute(request: Request, tools: Tools) -> Outputs:
    spec = of_request(Write[Resolved], request)
    data = spec.content.encode("utf-8", "surrogateescape")
    return {"file": stored(tools.store, EXECUTABLE if spec.executable else FILE, data)}

"""``write``: a file with given text."""

from __future__ import annotations

from hermes.actions.tools import Tools, params_of, stored
from hermes.engine.action import EXECUTABLE, FILE, Outputs
from hermes.engine.executor import Request


def execute(request: Request, tools: Tools) -> Outputs:
    params = params_of(request)
    data = params["content"].encode("utf-8", "surrogateescape")
    return {"file": stored(tools.store, EXECUTABLE if params["executable"] else FILE, data)}

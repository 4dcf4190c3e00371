"""Executes actions on this machine, by their kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from hermes.actions.kinds import LAYER, LAYERS
from hermes.digest import Digest
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request, Result
from hermes.layer import encodings
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.actions.tools import Tools

_KINDS: Final = frozenset(
    {
        "compose",
        "compress",
        "copy",
        "fetch",
        "given",
        "host",
        "image",
        "index",
        "layer",
        "manifest",
        "place",
        "pull",
        "run",
        "select",
        "squash",
        "write",
    }
)
"""The kinds of action; each is executed by the function ``execute`` of the module of that name."""


IN_NAMESPACE: Final = frozenset({"host", "run"})
"""Those of them that run commands."""


class Local:
    """See `hermes.engine.executor.Executor`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def execute(self, request: Request) -> Result:
        kind = request.action.kind
        assert kind in _KINDS, kind
        outputs: Outputs = import_module(f"hermes.actions.{kind}").execute(request, self._tools)
        return Result(outputs)


def available(store: Store, value: Value) -> bool:
    """Tell whether what stands behind an output is still in the store."""
    if value.kind == LAYER:
        return encodings.available(store, value.digest)
    if value.kind == LAYERS and store.blobs.has(value.digest, value.size):
        diff_ids = map(Digest.parse, json.loads(store.blobs.read(value.digest)))
        return all(encodings.obtainable(store, one) for one in diff_ids)
    return store.blobs.has(value.digest, value.size)


def kinds() -> Sequence[str]:
    """Return the kinds of action that can be executed."""
    return sorted(_KINDS)

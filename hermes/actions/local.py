"""Executes actions on this machine, by their kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

from hermes.actions.kinds import LAYER, LAYERS
from hermes.digest import Digest
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Expansion, Request, Result
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
        "git",
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

DOCKERFILE: Final = "dockerfile"
"""An action that stands for those that a Dockerfile comes to."""

IN_NAMESPACE: Final = frozenset({DOCKERFILE, "host", "run"})
"""The kinds of action that run commands."""

Expand = Callable[[Request], Expansion]


class Local:
    """See `hermes.engine.executor.Executor`. ``expanders`` expand actions, by their kind."""

    def __init__(self, tools: Tools, expanders: Mapping[str, Expand] | None = None) -> None:
        self._tools = tools
        self._expanders = expanders or {}

    def execute(self, request: Request) -> Result | Expansion:
        kind = request.action.kind
        if expand := self._expanders.get(kind):
            return expand(request)
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

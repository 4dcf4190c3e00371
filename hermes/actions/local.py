"""Executes actions on this machine, by their kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hermes.actions import compress, fetch, image, layer, manifest, run, write
from hermes.actions.tools import Tools
from hermes.engine.action import Outputs, Value
from hermes.engine.executor import Request, Result
from hermes.layer import encodings
from hermes.store import Store

Execute = Callable[[Request, Tools], Outputs]

_KINDS: Final[Mapping[str, Execute]] = {
    "compress": compress.execute,
    "fetch": fetch.execute,
    "image": image.execute,
    "layer": layer.execute,
    "manifest": manifest.execute,
    "run": run.execute,
    "write": write.execute,
}


class Local:
    """See `hermes.engine.executor.Executor`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def execute(self, request: Request) -> Result:
        return Result(_KINDS[request.action.kind](request, self._tools))


def available(store: Store, value: Value) -> bool:
    """Tell whether what stands behind an output is still in the store."""
    if value.kind == layer.LAYER:
        return encodings.available(store, value.digest)
    return store.blobs.has(value.digest, value.size)


def kinds() -> Sequence[str]:
    """Return the kinds of action that can be executed."""
    return sorted(_KINDS)

"""``--layers=false``: what each stage adds is one layer. The layers of the base stay as they are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hermes.actions.specs.squash import Squash
from hermes.dockerfile.recorder import Recorder
from hermes.dockerfile.state import StackLayer, State

Layers = list[StackLayer]
History = list[dict[str, Any]]


def joined(state: State, recorder: Recorder) -> tuple[Layers, History]:
    """Return the layers of a stage, those of each stage that it consists of as one, and the history that they have."""
    layers = state.layers[: state.base_layers]
    dropped: set[int] = set()
    for start, end in pairwise((state.base_layers, *state.ends, len(state.layers))):
        own = state.layers[start:end]
        if len(own) > 1:
            squash = Squash(mtime=state.epoch, below=state.roots()[:start], roots=state.roots()[start:end])
            last = own[-1]
            own = [StackLayer(recorder.layer(squash, last.span), last.name, last.span)]
        dropped.update(range(start, end - 1))
        layers += own
    return layers, _history(state, dropped)


def _history(state: State, dropped: set[int]) -> History:
    """Return the history; those rows have no layer any more whose layer is ``dropped``, by its number."""
    number = len(state.layers)
    found = []
    for row in reversed(state.history):
        if not row.get("empty_layer"):
            number -= 1
        is_dropped = not row.get("empty_layer") and number in dropped
        found.append({**row, "empty_layer": True} if is_dropped else row)
    return found[::-1]

"""Which actions, and what they give, never go to other machines: those that a secret, or a folder of this machine, may be in.

A command that is given one may write it anywhere, in any form. So all that is made of its layer stays here as well:
compressed, squashed, copied from, or run on top of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from hermes.actions.kinds import LAYER, LAYERS
from hermes.actions.listing import locations_of
from hermes.actions.tools import Tools
from hermes.digest import Digest
from hermes.engine.action import Value
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.image.assemble import Layer
from hermes.store import Store

_PARAMETERS: Final = ("agents", "secrets", "subscriptions", "volumes")
_CONTENT: Final = "unkeyed:content"
"""The role of a list of places in layers, which are needed as well."""
_CARRYING: Final = frozenset({"compress", "copy", "layer", "run", "save_artifacts", "squash"})
"""The kinds of action whose outputs have bytes of what they read."""


def is_private(params: Mapping[str, Any], read: Iterable[Digest], store: Store) -> bool:
    """Tell from the parameters of an action, and the digests of what it reads, whether it is one that stays here."""
    return any(params.get(name) for name in _PARAMETERS) or store.private_blobs.has_any(read)


def stays_here(request: Request, tools: Tools) -> bool:
    """Tell whether an action is private, or reads a layer that is."""
    inputs = request.inputs
    read = chain((one.value.digest for one in inputs), layers_read(inputs, tools))
    return is_private(json.loads(request.action.params), read, tools.store)


def layers_read(inputs: Iterable[Resolved], tools: Tools) -> Iterator[Digest]:
    """Yield the layers that an action reads, also those in which files are that it is given by their places."""
    for one in inputs:
        if one.value.kind == LAYER:
            yield one.value.digest
        elif one.value.kind == LAYERS:
            yield from map(Digest.parse, tools.document(one.value))
        elif one.role == _CONTENT:
            yield from (layer for layer, _ in locations_of(tools.document(one.value)) if layer)


def mark(kind: str, values: Iterable[Value], store: Store) -> None:
    """Note that what a private action of a kind gave stays here.

    A layer without anything in it, and documents, which have names of files at most, are often those of other actions too.
    """
    for one in values if kind in _CARRYING else ():
        if not Layer(one.digest).is_left_out:
            store.private_blobs.add(one.digest)

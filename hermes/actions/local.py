"""Executes actions on this machine, by their kind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hermes.actions.kinds import LAYER, LAYERS
from hermes.actions.privacy import mark, stays_here
from hermes.digest import Digest
from hermes.engine.action import Action, Outputs, Value
from hermes.engine.executor import Expansion, Request, Result
from hermes.layer import encodings
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.actions.tools import Tools

DOCKERFILE: Final = "dockerfile"
"""An action that stands for those that a Dockerfile comes to."""

S2I: Final = "s2i"
"""An action that stands for the steps of an image that a builder makes."""

IN_NAMESPACE: Final = frozenset({DOCKERFILE, S2I, "host", "run", "save_artifacts", "test"})
"""The kinds of action that run commands."""

_OF_THIS_MACHINE: Final = ("network", "secrets", "agents", "caches", "volumes", "subscriptions")
"""Parameters of commands that only this machine can give them, or that must not leave it."""
_TRAVELLING: Final = frozenset({"run", "compress", "squash", "copy"})

Expand = Callable[[Request], Expansion]
Execute = Callable[[Request, "Tools"], Outputs | Result]
"""Gives the outputs of an action by their names, or all that is to be said of them; raises `HermesError`."""


class Local:
    """See `hermes.engine.executor.Executor`. ``expanders`` expand actions, by their kind."""

    def __init__(self, tools: Tools, expanders: Mapping[str, Expand] | None = None) -> None:
        self._tools = tools
        self._expanders = expanders or {}

    def execute(self, request: Request) -> Result | Expansion:
        kind = request.action.kind
        if expand := self._expanders.get(kind):
            return expand(request)
        made = executor_of(kind)(request, self._tools)
        result = made if isinstance(made, Result) else Result(made)
        if stays_here(request, self._tools):
            mark(kind, result.outputs.values(), self._tools.store)
        return replace(result, log=self._log(request)) if kind in IN_NAMESPACE else result

    def _log(self, request: Request) -> str:
        """Return the digest of what a command has printed, or nothing."""
        with open(self._tools.store.log_path(request.key), "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return Digest.from_hex(digest) if file.tell() else ""


def can_travel(action: Action) -> bool:
    """Tell whether another machine may execute an action: all that it reads and does is in its folder."""
    if action.kind not in _TRAVELLING:
        return False
    if action.kind != "run":
        return True
    params = json.loads(action.params)
    return not any(params.get(name) for name in _OF_THIS_MACHINE)


def executor_of(kind: str) -> Execute:
    """Return what executes a kind of action; it is loaded now, as a build needs few of them."""
    match kind:
        case "assemble_image":
            from hermes.actions.assemble_image import execute
        case "check_programs":
            from hermes.actions.check_programs import execute
        case "compress":
            from hermes.actions.compress import execute
        case "fetch":
            from hermes.actions.fetch import execute
        case "fetch_wheel":
            from hermes.actions.fetch_wheel import execute
        case "git":
            from hermes.actions.git import execute
        case "config":
            from hermes.actions.config import execute
        case "find_scripts":
            from hermes.actions.find_scripts import execute
        case "image_labels":
            from hermes.actions.image_labels import execute
        case "import_image":
            from hermes.actions.import_image import execute
        case "index":
            from hermes.actions.index import execute
        case "manifest":
            from hermes.actions.manifest import execute
        case "pull":
            from hermes.actions.pull import execute
        case "run":
            from hermes.actions.run import execute
        case "save_artifacts":
            from hermes.actions.save_artifacts import execute
        case "test":
            from hermes.actions import test

            return test.execute
        case "write":
            from hermes.actions.write import execute
        case _:
            return _executor_of_layers(kind)
    return execute


def _executor_of_layers(kind: str) -> Execute:
    """Return what executes a kind of action that makes layers, or looks at some."""
    match kind:
        case "accounts":
            from hermes.actions.accounts import execute
        case "base_layer":
            from hermes.actions.base_layer import execute
        case "copy":
            from hermes.actions.copy import execute
        case "host":
            from hermes.actions.host import execute
        case "layer":
            from hermes.actions.layer import execute
        case "list_files":
            from hermes.actions.list_files import execute
        case "list_folders":
            from hermes.actions.list_folders import execute
        case "list_programs":
            from hermes.actions.list_programs import execute
        case "resolve_destination":
            from hermes.actions.resolve_destination import execute
        case "squash":
            from hermes.actions.squash import execute
        case _:
            raise AssertionError(kind)
    return execute


def available(store: Store, value: Value) -> bool:
    """Tell whether what stands behind an output is still in the store."""
    if value.kind == LAYER:
        return encodings.available(store, value.digest)
    if value.kind == LAYERS and store.blobs.has(value.digest, value.size):
        diff_ids = map(Digest.parse, json.loads(store.blobs.read(value.digest)))
        return all(encodings.obtainable(store, one) for one in diff_ids)
    return store.blobs.has(value.digest, value.size)

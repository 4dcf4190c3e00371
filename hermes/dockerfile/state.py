"""A stage as it is after some of its instructions: layers, configuration, history, variables."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from hermes.actions.specs.spec import Ref
from hermes.dockerfile.origins import BaseLayer
from hermes.dockerfile.scope import Scope
from hermes.dockerfile.source import Span
from hermes.engine.action import Artifact
from hermes.image.config import timestamp
from hermes.image.edit import edited

DEFAULT_SHELL: Final = ("/bin/sh", "-c")


class StackLayer(NamedTuple):
    """A layer of a stage, what errors call it, and the lines that it comes from.

    ``base`` is what is known of one that is a base's.
    """

    artifact: Artifact
    name: str
    span: Span
    base: BaseLayer | None = None


@dataclass(slots=True)
class State:
    """``document`` is the image's configuration without layers and history; ``base_layers`` counts those of its base.

    ``ends`` says how many layers there were at the end of each earlier stage that this one is built on.
    ``has_cmd``: a CMD of this stage is in force; ``has_workdir``: there was a WORKDIR, here or in a stage that it is built on.
    ``is_base_known``: the base was found.
    """

    document: dict[str, Any]
    history: list[dict[str, Any]]
    scope: Scope
    epoch: int
    layers: list[StackLayer] = field(default_factory=list)
    base_layers: int = 0
    ends: tuple[int, ...] = ()
    has_cmd: bool = False
    has_workdir: bool = False
    is_base_known: bool = True

    @property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document.setdefault("config", {})
        return found

    @property
    def env(self) -> dict[str, str]:
        """The variables of the image."""
        pairs = (one.partition("=") for one in self.config.get("Env") or ())
        return {name: value for name, _, value in pairs}

    @property
    def variables(self) -> dict[str, str]:
        """What words of instructions may refer to: arguments, and before them the image's variables."""
        return {**self.scope.values, **self.env}

    @property
    def workdir(self) -> str:
        return str(self.config.get("WorkingDir") or "/")

    @property
    def user(self) -> str:
        return str(self.config.get("User") or "")

    @property
    def shell(self) -> tuple[str, ...]:
        return tuple(self.config.get("Shell") or DEFAULT_SHELL)

    def roots(self) -> tuple[Ref, ...]:
        """Return the layers as an action that looks at them reads them."""
        return tuple(Ref(one.artifact, one.name) for one in self.layers)

    def edit(self, name: str, text: str) -> None:
        """Change a setting of `hermes.image.edit`."""
        self.document = edited(self.document, [(name, text)])

    def set_env(self, name: str, value: str) -> None:
        env = {**self.env, name: value}
        self.config["Env"] = [f"{key}={text}" for key, text in env.items()]

    def unset_env(self, names: Collection[str]) -> None:
        if names:
            self.config["Env"] = [f"{key}={text}" for key, text in self.env.items() if key not in names]

    def set_command(self, words: list[str]) -> None:
        self.config["Cmd"] = words
        self.has_cmd = True

    def set_entrypoint(self, words: list[str]) -> None:
        """Set the entry point; a command of the base ends with it, one of this stage does not."""
        command = self.config.get("Cmd") if self.has_cmd else None
        self.edit("entrypoint", json.dumps(words) if words else "")
        if command:
            self.config["Cmd"] = command

    def absolute(self, path: str) -> str:
        """Return a path of an instruction as one from the root, without ``.`` and ``..``."""
        return posixpath.normpath(posixpath.join("/", self.workdir, path))

    def note(self, text: str, *, layer: bool = False) -> None:
        """Add to the history; ``layer``: the instruction made one."""
        row: dict[str, Any] = {"created": timestamp(self.epoch), "created_by": text}
        self.history.append(row if layer else {**row, "empty_layer": True})

    def push(self, artifact: Artifact, name: str, span: Span, text: str) -> None:
        """Put a layer on top, with a row of the history."""
        self.layers.append(StackLayer(artifact, name, span))
        self.note(text, layer=True)

    def following(self, scope: Scope) -> State:
        """Return the state of a stage that begins with what this one has made."""
        return State(
            json.loads(json.dumps(self.document)),
            list(self.history),
            scope,
            self.epoch,
            list(self.layers),
            self.base_layers,
            (*self.ends, len(self.layers)),
            has_workdir=self.has_workdir,
            is_base_known=self.is_base_known,
        )


def starting(document: Mapping[str, Any], scope: Scope, epoch: int) -> State:
    """Return the state of a stage that begins with an image's configuration."""
    made: dict[str, Any] = json.loads(json.dumps(document))
    history = list(made.pop("history", ()))
    for name in ("rootfs", "created", "annotations"):
        made.pop(name, None)
    return State(made, history, scope, epoch)

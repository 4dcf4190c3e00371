"""What all of ``ctx.actions`` does: declare actions of a target, and check the layers and files that they are given."""

from __future__ import annotations

from typing import Any

from hermes.actions.specs.spec import Ref, Spec, declared
from hermes.dsl.configuration import Configuration
from hermes.dsl.dialect.values import EvalError, described
from hermes.dsl.providers import File, Layer
from hermes.engine.action import ActionGraph
from hermes.graph.label import Label


class Declaring:
    """Declares the actions of one target in a graph; ``suffix`` is for names of those of another platform."""

    __slots__ = ("_configuration", "_graph", "_label", "_suffix")

    def __init__(self, label: Label, graph: ActionGraph, configuration: Configuration, suffix: str) -> None:
        self._label = label
        self._graph = graph
        self._configuration = configuration
        self._suffix = suffix

    def _add(self, name: str, spec: Spec[Ref], *, timeout: int | None = None, exclusive: bool = False) -> str:
        """Declare an action and return its id."""
        if type(name) is not str or not name:
            raise EvalError("an action needs a name")
        identity = f"{self._label}%{spec.kind}.{name}{self._suffix}"
        if identity in self._graph.actions:
            raise EvalError(f"{self._label} has two {spec.kind} actions named {name!r}")
        platform = str(self._configuration.platform)
        self._graph.add(
            declared(
                spec,
                name=identity,
                owner=str(self._label),
                platform=platform,
                timeout=timeout,
                exclusive=bool(exclusive),
            )
        )
        return identity


def files_of(called: str, value: Any) -> list[File]:
    if type(value) not in (list, tuple) or not all(type(one) is File for one in value):
        raise EvalError(f"{called} is a list of files, not {described(value)}")
    return list(value)


def layers_of(value: Any) -> list[Layer]:
    if type(value) not in (list, tuple) or not all(type(one) is Layer for one in value):
        raise EvalError(f"a list of layers is needed, not {described(value)}")
    return list(value)


def refs(value: Any) -> tuple[Ref, ...]:
    """Return a stack of layers as an action reads it."""
    return tuple(Ref(one.artifact, str(one.owner)) for one in layers_of(value))

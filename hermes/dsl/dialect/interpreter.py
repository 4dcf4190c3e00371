"""Runs compiled files, with the guards that stand in for their operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from hermes.dsl.dialect.budget import Budget
from hermes.dsl.dialect.compare import compare
from hermes.dsl.dialect.functions import Function
from hermes.dsl.dialect.items import Items
from hermes.dsl.dialect.loops import Loops
from hermes.dsl.dialect.members import attr
from hermes.dsl.dialect.mutability import Mutability
from hermes.dsl.dialect.operators import binary, unary


class Interpreter:
    """What the files of one workspace share while they run: limits, frozen values, functions being called."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self.mutability = Mutability()
        self.loops = Loops(self.budget, self.mutability)
        self.attr = partial(attr, self.budget, self.mutability)
        self._active: set[CodeType] = set()
        items = Items(self.budget, self.mutability, self.loops)
        self._guards: Mapping[str, Any] = {
            "$arguments": self.loops.arguments,
            "$attr": self.attr,
            "$augment": items.augment,
            "$augment_item": items.augment_item,
            "$binary": partial(binary, self.budget),
            "$compare": partial(compare, self.budget),
            "$each": self.loops.each,
            "$function": self._function,
            "$item": items.item,
            "$key": self._key,
            "$keywords": self.loops.keywords,
            "$set_item": items.set_item,
            "$slice": items.slice,
            "$unary": unary,
            "$unpacked": self.loops.unpacked,
            "$unpacked_each": self.loops.unpacked_each,
            "__builtins__": {},
        }

    def run(self, code: CodeType, file: str, names: Mapping[str, Any]) -> dict[str, Any]:
        """Run a file with ``names`` predefined; return the names it defines. Errors are not located yet."""
        space: dict[str, Any] = {**names, **self._guards}
        self.mutability.running.append(file)
        outer = self.budget.begin()
        try:
            exec(code, space)  # noqa: S102 - the code has passed the whitelist, and its builtins are empty
        finally:
            self.budget.end(outer)
            self.mutability.running.pop()
        return {
            name: value
            for name, value in space.items()
            if name[0] != "$" and name not in self._guards and not (name in names and names[name] is value)
        }

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of a file, such as the implementation of a rule, with a budget of its own."""
        outer = self.budget.begin()
        try:
            return function(*args)
        finally:
            self.budget.end(outer)

    def _function(self, call: FunctionType) -> Function:
        return Function(call, self._active, self.budget)

    def _key(self, value: Any) -> Any:
        """Return ``value`` if it may be a key of a dict."""
        if type(value) is not str:
            self.budget.key(value)
        return value

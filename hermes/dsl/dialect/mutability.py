"""Which values may be changed now: not those of files that have been loaded, nor those that are being looped over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hermes.dsl.dialect.values import Depset, EvalError, Struct, described


class Mutability:
    """Frozen values and loops of the files of one workspace; ``running`` are the files that run now, the innermost last."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self._frozen: dict[int, tuple[Any, str]] = {}
        self._looped: dict[int, int] = {}

    def freeze(self, values: Iterable[Any], file: str) -> None:
        """Make everything reachable from ``values`` immutable, as it is when its file has been loaded.

        An object that refers to values without being a list, dict or struct names them in ``dsl_held``.
        """
        pending = list(values)
        seen: set[int] = set()
        while pending:
            value = pending.pop()
            kind = type(value)
            if kind is str or kind is int or id(value) in seen:
                continue
            holds = hasattr(kind, "dsl_held")
            if kind is list or kind is dict or holds:
                if id(value) in self._frozen:
                    continue
                self._frozen[id(value)] = (value, file)
                if kind is list:
                    pending.extend(value)
                else:
                    pending.extend(value.dsl_held if holds else (*value, *value.values()))
                continue
            seen.add(id(value))
            if kind is tuple:
                pending.extend(value)
            elif isinstance(value, Struct):
                pending.extend(value.fields.values())
            elif kind is Depset:
                pending.extend((*value.direct, *value.transitive))

    def check(self, value: Any) -> None:
        """Raise `EvalError` if ``value`` belongs to a file that has been loaded, or is being looped over."""
        mark = id(value)
        frozen = self._frozen.get(mark)
        if frozen is not None and frozen[0] is value:
            now = self.running[-1] if self.running else "another file"
            raise EvalError(
                f"{now} may not change {described(value)} of {frozen[1]}, which is frozen once it is loaded",
                "make a new one: list(x), dict(x), or x + [...]",
            )
        if mark in self._looped:
            copy = "list(x)" if type(value) is list else "x.keys()"
            raise EvalError(
                f"{described(value)} cannot be changed during iteration over it",
                f"loop over a copy: {copy}",
            )

    def begin_loop(self, value: list[Any] | dict[Any, Any]) -> None:
        """Let nothing change a list or dict until ``end_loop``."""
        mark = id(value)
        self._looped[mark] = self._looped.get(mark, 0) + 1

    def end_loop(self, value: list[Any] | dict[Any, Any]) -> None:
        mark = id(value)
        if self._looped[mark] == 1:
            del self._looped[mark]
        else:
            self._looped[mark] -= 1

"""Going through values: loops, assignments to several names, and ``*`` and ``**`` of calls, charged for what they see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from hermes.dsl.dialect.budget import ENTRY, POINTER, Budget
from hermes.dsl.dialect.mutability import Mutability
from hermes.dsl.dialect.values import Depset, EvalError, described

_CHUNK: Final = 256
"""Rounds of a loop that are charged at once."""


class Loops:
    """Goes through values within a budget; what is looped over cannot be changed meanwhile."""

    def __init__(self, budget: Budget, mutability: Mutability) -> None:
        self._budget = budget
        self._mutability = mutability

    def items(self, value: Any) -> Iterable[Any]:
        """Return what ``value`` holds, if it can be gone through, charging a step for each item."""
        kind = type(value)
        if kind is list or kind is tuple or kind is range or kind is dict:
            self._budget.spend(len(value) + 1)
            return value  # type: ignore[no-any-return]
        raise _not_iterable(value)

    def each(self, value: Any, work: int) -> Iterable[Any]:
        """Return what a loop over ``value`` goes through, of which every round takes ``work`` steps.

        A list or dict cannot be changed before the loop has ended.
        """
        kind = type(value)
        if kind is list or kind is dict:
            return self._each_of(value, work)
        if kind is tuple or kind is range:
            if len(value) <= _CHUNK:
                self._budget.spend(len(value) * work + 1)
                return value  # type: ignore[no-any-return]
            return self._charged(value, work)
        raise _not_iterable(value)

    def _each_of(self, value: list[Any] | dict[Any, Any], work: int) -> Iterator[Any]:
        self._mutability.begin_loop(value)
        try:
            if len(value) <= _CHUNK:
                self._budget.spend(len(value) * work + 1)
                yield from value
            else:
                yield from self._charged(value, work)
        finally:
            self._mutability.end_loop(value)

    def _charged(self, value: Any, work: int) -> Iterator[Any]:
        rest = iter(value)
        for start in range(0, len(value), _CHUNK):
            self._budget.spend(min(_CHUNK, len(value) - start) * work)
            yield from islice(rest, _CHUNK)

    def unpacked_each(self, value: Any, work: int) -> Iterable[Any]:
        """Return what a loop with several variables goes through: items that may be assigned to them."""
        return map(self.unpacked, self.each(value, work))

    def unpacked(self, value: Any) -> Sequence[Any]:
        """Return ``value`` if it may be assigned to several names."""
        if type(value) not in (list, tuple, dict, range):
            raise EvalError(f"{described(value)} cannot be assigned to several names")
        return value  # type: ignore[no-any-return]

    def arguments(self, value: Any) -> Iterable[Any]:
        """Return what ``*value`` gives a call."""
        items = self.items(value)
        self._budget.make_list(len(value), 5 * POINTER if type(value) is range else POINTER)
        return items

    def keywords(self, value: Any) -> dict[str, Any]:
        """Return what ``**value`` gives a call."""
        if type(value) is not dict or not all(type(key) is str for key in value):
            raise EvalError("** takes a dict whose keys are strings")
        self._budget.make(ENTRY * len(value))
        self._budget.spend(len(value))
        return value


def _not_iterable(value: Any) -> EvalError:
    kind = type(value)
    if kind is str:
        return EvalError("a string cannot be looped over", "use .elems() for its characters")
    if kind is Depset:
        return EvalError("a depset cannot be looped over", "use .to_list()")
    return EvalError(f"{described(value)} cannot be looped over")

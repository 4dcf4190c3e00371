"""Comparing values: equality and order as the language has them, charged for what is gone through."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hermes.dsl.dialect.budget import Budget
from hermes.dsl.dialect.values import EvalError, Struct, described

_MOST_DEPTH: Final = 200
_LONG: Final = 256
_REMEMBERED_AFTER: Final = 64
"""Pairs of lists, tuples, dicts and structs that are compared before those found equal are remembered."""

_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(budget: Budget, symbol: str, left: Any, right: Any) -> bool:
    """Return ``left symbol right``; True is not equal to 1, and only values of one type are ordered."""
    if symbol == "==":
        return equal(budget, left, right)
    if symbol == "!=":
        return not equal(budget, left, right)
    if symbol == "in":
        return contains(budget, right, left)
    if symbol == "not in":
        return not contains(budget, right, left)
    one = type(left)
    if one is type(right) and one in (int, str, bool):
        if one is str:
            budget.spend(min(len(left), len(right)) >> 6)
        return _ORDER[symbol](left, right)
    if one is type(right) and one in (list, tuple):
        return _in_order(budget, symbol, left, right)
    if one is type(right) and hasattr(one, "dsl_ordered"):
        return _ORDER[symbol](left, right)
    raise EvalError(f"{described(left)} {symbol} {described(right)} is not possible")


def _in_order(budget: Budget, symbol: str, left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Compare two lists or tuples by the first items that differ, or by their lengths."""
    equality = _Equality(budget)
    for depth in range(_MOST_DEPTH):
        for one, other in zip(left, right, strict=False):
            if not equality.holds(one, other, depth):
                break
        else:
            return _ORDER[symbol](len(left), len(right))
        if type(one) is not type(other) or type(one) not in (list, tuple):
            return compare(budget, symbol, one, other)
        left, right = one, other
    raise EvalError("the values are nested too deeply to be compared")


def equal(budget: Budget, left: Any, right: Any) -> bool:
    """Return whether two values are equal, going through what they hold."""
    if left is right:
        return True
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is str:
        if len(left) > _LONG:
            budget.spend(len(left) >> 6)
        return bool(left == right)
    if kind is int or kind is bool:
        return bool(left == right)
    return _Equality(budget).holds(left, right, 0)


class _Equality:
    """One comparison: what is shared on both sides is gone through once."""

    __slots__ = ("_budget", "_compared", "_known")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._compared = 0
        self._known: set[tuple[int, int]] = set()

    def holds(self, left: Any, right: Any, depth: int) -> bool:
        if left is right:
            return True
        kind = type(left)
        if kind is not type(right):
            return False
        self._budget.spend(4)
        if depth > _MOST_DEPTH:
            raise EvalError("the values are nested too deeply to be compared")
        if kind is str:
            self._budget.spend(len(left) >> 6)
            return bool(left == right)
        if isinstance(left, Struct):
            return left.like(right) and self.holds(left.fields, right.fields, depth + 1)
        if kind is not list and kind is not tuple and kind is not dict:
            return bool(left == right)
        if len(left) != len(right):
            return False
        pair = (id(left), id(right))
        if pair in self._known:
            return True
        found = self._entries(left, right, depth) if kind is dict else self._items(left, right, depth)
        self._compared += 1
        if found and self._compared > _REMEMBERED_AFTER:
            self._known.add(pair)
        return found

    def _items(self, left: Sequence[Any], right: Sequence[Any], depth: int) -> bool:
        return all(self.holds(one, other, depth + 1) for one, other in zip(left, right, strict=True))

    def _entries(self, left: dict[Any, Any], right: dict[Any, Any], depth: int) -> bool:
        for key, value in left.items():
            self._budget.key(key)
            if key not in right or not self.holds(value, right[key], depth + 1):
                return False
        return True


def contains(budget: Budget, holder: Any, value: Any) -> bool:
    """Return ``value in holder``."""
    kind = type(holder)
    if kind is str:
        if type(value) is not str:
            raise EvalError(f"{described(value)} in string is not possible")
        if len(holder) > _LONG:
            budget.spend((len(holder) >> 5) + (min(len(holder) * len(value), 4_000_000) >> 6))
        return value in holder
    if kind is list or kind is tuple:
        return position(budget, holder, value) >= 0
    if kind is dict:
        budget.key(value)
        return value in holder
    if kind is range:
        return type(value) is int and value in holder
    if hasattr(kind, "dsl_contains"):
        return bool(holder.dsl_contains(value))
    raise EvalError(f"{described(value)} in {described(holder)} is not possible")


def position(
    budget: Budget, holder: Sequence[Any], value: Any, start: int = 0, stop: int | None = None
) -> int:
    """Return where a list or tuple holds a value, -1 if nowhere; the bounds are those of a slice."""
    first, behind, _ = slice(start, stop).indices(len(holder))
    for number in range(first, behind):
        budget.spend(3)
        if equal(budget, holder[number], value):
            return number
    return -1


class Key:
    """Sorts values by the language's own order."""

    __slots__ = ("_budget", "value")

    def __init__(self, budget: Budget, value: Any) -> None:
        self._budget = budget
        self.value = value

    def __lt__(self, other: Key) -> bool:
        self._budget.spend(8)
        return compare(self._budget, "<", self.value, other.value)

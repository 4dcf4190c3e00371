"""``holder[key]`` and slices, and what assignments change in place."""

from __future__ import annotations

from typing import Any

from hermes.dsl.dialect.budget import Budget, too_long
from hermes.dsl.dialect.loops import Loops
from hermes.dsl.dialect.mutability import Mutability
from hermes.dsl.dialect.operators import binary
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.dialect.values import LARGEST_TEXT, EvalError, described, show


class Items:
    """Reads items of values, and assigns to those that may be changed now."""

    def __init__(self, budget: Budget, mutability: Mutability, loops: Loops) -> None:
        self._budget = budget
        self._mutability = mutability
        self._loops = loops

    def item(self, holder: Any, key: Any) -> Any:
        """Return ``holder[key]``."""
        kind = type(holder)
        if kind is dict:
            if type(key) is not str:
                self._budget.key(key)
            if key not in holder:
                raise EvalError(
                    f"the key {show(key)} is not in the dict",
                    suggest(key, [one for one in holder if type(one) is str]) if type(key) is str else None,
                )
            return holder[key]
        if kind in (list, tuple, str, range):
            _check_index(key)
            try:
                return holder[key]
            except IndexError:
                raise EvalError(f"there is no item {key} in {described(holder)} of {len(holder)}") from None
        if hasattr(kind, "dsl_item"):
            return holder.dsl_item(key)
        raise EvalError(f"{described(holder)} has no items")

    def slice(self, holder: Any, start: Any, stop: Any, step: Any) -> Any:
        """Return ``holder[start:stop:step]``."""
        kind = type(holder)
        if kind not in (list, tuple, str, range):
            raise EvalError(f"{described(holder)} cannot be sliced")
        for bound in (start, stop, step):
            if bound is not None:
                _check_index(bound)
        if step == 0:
            raise EvalError("a slice with a step of 0")
        wanted = slice(start, stop, step)
        if kind is not range:
            length = len(range(*wanted.indices(len(holder))))
            if kind is str:
                self._budget.make_text(length, holder)
            else:
                self._budget.make_list(length)
        return holder[wanted]

    def set_item(self, holder: Any, key: Any, value: Any) -> None:
        self._mutability.check(holder)
        if type(holder) is list:
            _check_index(key)
            try:
                holder[key] = value
            except IndexError:
                raise EvalError(f"there is no item {key} in a list of {len(holder)}") from None
        elif type(holder) is dict:
            if type(key) is not str:
                self._budget.key(key)
            holder[key] = value
        else:
            raise EvalError(f"items of {described(holder)} cannot be assigned")

    def augment(self, symbol: str, left: Any, right: Any) -> Any:
        """Return the new value of a variable after ``left symbol= right``; a list is extended in place."""
        if symbol == "+" and type(left) is list:
            self._mutability.check(left)
            added = list(self._loops.arguments(right))
            if len(left) + len(added) > LARGEST_TEXT:
                raise too_long(len(left) + len(added))
            left.extend(added)
            return left
        if symbol == "|" and type(left) is type(right) is dict:
            self._mutability.check(left)
            self._budget.keys(right)
            left.update(right)
            return left
        return binary(self._budget, symbol, left, right)

    def augment_item(self, symbol: str, holder: Any, key: Any, right: Any) -> None:
        self.set_item(holder, key, self.augment(symbol, self.item(holder, key), right))


def _check_index(key: Any) -> None:
    if type(key) is not int:
        raise EvalError(f"an index is an int, not {described(key)}")

"""Operators: what ``left symbol right`` comes to, by the exact types of both, within a budget."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from hermes.dsl.dialect.budget import POINTER, Budget
from hermes.dsl.dialect.string_methods import format_percent
from hermes.dsl.dialect.values import EvalError, described

_MOST_BITS: Final = 4096
_INTEGER: Final[Mapping[str, Callable[[int, int], int]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "|": operator.or_,
    "&": operator.and_,
    "^": operator.xor,
}


def binary(budget: Budget, symbol: str, left: Any, right: Any) -> Any:
    """Return ``left symbol right``."""
    one, other = type(left), type(right)
    if one is str and symbol == "%":
        return format_percent(budget, left, right)
    if one is other is int:
        return _integers(budget, symbol, left, right)
    if symbol == "+":
        if one is other and one is str:
            budget.make_text(len(left) + len(right), left, right)
            return left + right
        if one is other and one in (list, tuple):
            budget.make_list(len(left) + len(right))
            return left + right
        if hasattr(one, "dsl_add"):
            return _joined(budget, left, right, left.dsl_add)
        if hasattr(other, "dsl_radd"):
            return _joined(budget, right, left, right.dsl_radd)
    elif symbol == "*":
        if other is int and one in (str, list, tuple):
            return _repeated(budget, left, right)
        if one is int and other in (str, list, tuple):
            return _repeated(budget, right, left)
    elif symbol == "|":
        if one is other is dict:
            budget.keys(left)
            budget.keys(right)
            return {**left, **right}
        if hasattr(one, "dsl_or"):
            return _joined(budget, left, right, left.dsl_or)
        if hasattr(other, "dsl_ror"):
            return _joined(budget, right, left, right.dsl_ror)
    raise EvalError(f"{described(left)} {symbol} {described(right)} is not possible")


def _joined(budget: Budget, value: Any, other: Any, join: Callable[[Any], Any]) -> Any:
    """Join a value of another kind than the language's own, such as a select, to another value."""
    size = value.dsl_size + getattr(other, "dsl_size", 1)
    budget.make_list(size, 2 * POINTER)
    budget.spend(size)
    return join(other)


def _repeated(budget: Budget, value: Any, times: int) -> Any:
    length = len(value) * max(0, times)
    if type(value) is str:
        budget.make_text(length, value)
    else:
        budget.make_list(length)
    return value * max(0, times) if length else value[:0]


def _integers(budget: Budget, symbol: str, left: int, right: int) -> int:
    if symbol in ("//", "%") and right == 0:
        raise EvalError("division by zero")
    if symbol in ("<<", ">>") and right < 0:
        raise EvalError("a shift by a negative number")
    bits = left.bit_length() + (right if symbol == "<<" else right.bit_length() if symbol == "*" else 0)
    if bits > _MOST_BITS:
        raise EvalError("the number is too large")
    if bits > 64:
        budget.spend(bits >> 4)
    return _INTEGER[symbol](left, right)


def unary(symbol: str, value: Any) -> int:
    """Return ``-value``, ``+value`` or ``~value``."""
    if type(value) is not int:
        raise EvalError(f"{symbol}{described(value)} is not possible")
    return -value if symbol == "-" else value if symbol == "+" else ~value

"""``select()``: a value that depends on the platform and on what ``--set`` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from hermes.dsl.dialect.values import EvalError, described
from hermes.graph.label import Label

DEFAULT: Final = "//conditions:default"

Choose = Callable[["Branches"], Any]


class Branches:
    """The branches of one select: condition -> value, and the value when no condition holds.

    A condition is a text as long as it is not known to which package it belongs.
    """

    __slots__ = ("branches", "default", "has_default", "message")

    def __init__(self, branches: Mapping[Any, Any], *, default: Any, has_default: bool, message: str) -> None:
        self.branches = branches
        self.default = default
        self.has_default = has_default
        self.message = message

    def of_package(self, resolve: Callable[[str], Label]) -> Branches:
        named = {resolve(one) if type(one) is str else one: value for one, value in self.branches.items()}
        return Branches(named, default=self.default, has_default=self.has_default, message=self.message)


class Select:
    """Values and selects joined by ``+``, to be decided once the configuration is known."""

    __slots__ = ("_size", "parts")
    dsl_type: ClassVar[str] = "select"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts
        self._size = sum(len(one.branches) + 1 if type(one) is Branches else 1 for one in parts)

    @property
    def dsl_size(self) -> int:
        """How many values and branches there are."""
        return self._size

    def dsl_add(self, other: Any) -> Select:
        return Select((*self.parts, *(other.parts if type(other) is Select else (other,))))

    def dsl_radd(self, other: Any) -> Select:
        return Select((other, *self.parts))

    def dsl_or(self, other: Any) -> Select:
        return _of_dicts(self.dsl_add(other))

    def dsl_ror(self, other: Any) -> Select:
        return _of_dicts(self.dsl_radd(other))

    def of_package(self, resolve: Callable[[str], Label]) -> Select:
        """Return the same with labels as conditions; ``resolve`` turns a text into one."""
        return Select(tuple(one.of_package(resolve) if type(one) is Branches else one for one in self.parts))

    def decided(self, choose: Choose) -> Any:
        """Return the value, where ``choose`` picks a branch of each select."""
        value: Any = None
        for number, part in enumerate(self.parts):
            one = choose(part) if type(part) is Branches else part
            value = one if number == 0 else _joined(value, one)
        return value

    @property
    def conditions(self) -> list[Label]:
        return [label for part in self.parts if type(part) is Branches for label in part.branches]

    def possible(self) -> list[Any]:
        """Return every value that one of the parts may have."""
        found: list[Any] = []
        for part in self.parts:
            if type(part) is Branches:
                found.extend(part.branches.values())
                if part.has_default:
                    found.append(part.default)
            else:
                found.append(part)
        return found

    def __repr__(self) -> str:
        return "select(...)"


def _of_dicts(joined: Select) -> Select:
    for value in joined.possible():
        if type(value) is not dict:
            raise EvalError(f"select(): {described(value)} | is not possible", "| joins dicts, and + lists")
    return joined


def make_select(branches: Any, resolve: Callable[[str], Label | str], no_match_error: str = "") -> Select:
    """Return what ``select({...})`` is; ``resolve`` turns a condition's text into its label, if that is known."""
    if type(branches) is not dict or not branches:
        raise EvalError("select() takes a dict from conditions to values, with at least one")
    named: dict[Label | str, Any] = {}
    for text, value in branches.items():
        if type(text) is not str:
            raise EvalError(f"a condition of select() is a label, not {described(text)}")
        if text != DEFAULT:
            named[resolve(text)] = value
    return Select(
        (
            Branches(
                named,
                default=branches.get(DEFAULT),
                has_default=DEFAULT in branches,
                message=no_match_error,
            ),
        )
    )


def _joined(left: Any, right: Any) -> Any:
    if type(left) is not type(right) or type(left) not in (str, list, dict):
        raise EvalError(f"select(): {described(left)} + {described(right)} is not possible")
    return {**left, **right} if type(left) is dict else left + right

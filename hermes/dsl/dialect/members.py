"""What ``value.name`` reaches, by the exact type of the value: fields, and methods that are charged to a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

from hermes.dsl.dialect.budget import Budget
from hermes.dsl.dialect.holder_methods import (
    DEPSET_METHODS,
    DICT_CHANGES,
    DICT_METHODS,
    LIST_CHANGES,
    LIST_METHODS,
)
from hermes.dsl.dialect.mutability import Mutability
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.dialect.string_methods import STRING_METHODS
from hermes.dsl.dialect.values import (
    Check,
    Depset,
    EvalError,
    Namespace,
    Struct,
    arguments_error,
    described,
    type_name,
)

_CALL: Final = 64
"""Steps of a call of what Hermes makes, such as the actions of a rule."""

_METHODS: Final[Mapping[type, tuple[Mapping[str, Callable[..., Any]], frozenset[str]]]] = {
    str: (STRING_METHODS, frozenset()),
    list: (LIST_METHODS, LIST_CHANGES),
    dict: (DICT_METHODS, DICT_CHANGES),
    Depset: (DEPSET_METHODS, frozenset()),
}
_NO_CHANGES: Final[frozenset[str]] = frozenset()


def names_of(value: Any) -> Iterable[str]:
    """Return the names of what ``value.name`` reaches."""
    kind = type(value)
    if found := _METHODS.get(kind):
        return found[0]
    if isinstance(value, Struct):
        return value.fields
    if kind is Namespace:
        return dict(value.members)
    return frozenset(getattr(kind, "dsl_attributes", ()))


def has(value: Any, name: str) -> bool:
    """Tell whether ``value.name`` is there."""
    return name in names_of(value)


def attr(budget: Budget, mutability: Mutability, value: Any, name: str) -> Any:
    """Return ``value.name``, by the exact type of the value."""
    kind = type(value)
    if found := _METHODS.get(kind):
        methods, changes = found
        method = methods.get(name)
        if method is None:
            raise _no_attribute(value, name)
        return _Bound(budget, mutability, value, name, method, changes)
    if isinstance(value, Struct):
        if name in value.fields:
            return value.fields[name]
        raise _no_attribute(value, name)
    if kind is Namespace:
        if name in value.members:
            return value.members[name]
        raise _no_attribute(value, name)
    allowed = getattr(kind, "dsl_attributes", None)
    if allowed is None or name not in allowed:
        raise _no_attribute(value, name)
    found_value = getattr(value, name)
    if callable(found_value) and not hasattr(type(found_value), "dsl_type"):
        return _Made(budget, mutability, value, name, getattr(kind, name), _NO_CHANGES)
    return found_value


class _Bound:
    """A method and the value it belongs to."""

    __slots__ = ("_budget", "_changes", "_holder", "_method", "_mutability", "_name")
    dsl_type: ClassVar[str] = "builtin_function_or_method"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        budget: Budget,
        mutability: Mutability,
        holder: Any,
        name: str,
        method: Callable[..., Any],
        changes: frozenset[str],
    ) -> None:
        self._budget = budget
        self._mutability = mutability
        self._method = method
        self._name = name
        self._holder = holder
        self._changes = changes

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if self._name in self._changes:
            self._mutability.check(self._holder)
        try:
            return self._method(self._budget, self._holder, *args, **kwargs)
        except TypeError as error:
            raise arguments_error(self._name, error) from None

    @property
    def dsl_held(self) -> tuple[Any, ...]:
        """The value it belongs to, which is frozen with it."""
        return (self._holder,)

    def __repr__(self) -> str:
        return f"<built-in method {self._name} of {type_name(self._holder)} value>"


class _Made(_Bound):
    """A method of what Hermes makes, such as ``ctx.actions.run``."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        work = _CALL
        for one in (*args, *kwargs.values()):
            if type(one) in (list, tuple, dict):
                work += 8 * len(one)
            elif type(one) is str:
                work += len(one) >> 5
        self._budget.spend(work)
        check: Check | None = getattr(type(self._holder), "dsl_check", None)
        if check is not None:
            check(self._name, args, kwargs)
        try:
            return self._method(self._holder, *args, **kwargs)
        except TypeError as error:
            raise arguments_error(self._name, error) from None


def _no_attribute(value: Any, name: str) -> EvalError:
    return EvalError(f"{described(value)} has no attribute {name!r}", suggest(name, names_of(value)))

"""The methods of lists, dicts and depsets, as the Starlark specification has them.

All take the budget first and then the value they belong to, and charge what they cost before they do it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hermes.dsl.dialect.budget import ENTRY, POINTER, Budget
from hermes.dsl.dialect.compare import position
from hermes.dsl.dialect.values import Depset, EvalError, check_ints, sequence, show

_NOTHING: Final = object()


def _index(budget: Budget, items: list[Any], value: Any, *bounds: int) -> int:
    check_ints("index", *bounds)
    if len(bounds) > 2:
        raise EvalError("index() takes a value and two bounds")
    found = position(budget, items, value, *bounds)
    if found < 0:
        raise EvalError(f"index(): {show(value)} is not in the list")
    return found


def _remove(budget: Budget, items: list[Any], value: Any) -> None:
    found = position(budget, items, value)
    if found < 0:
        raise EvalError(f"remove(): {show(value)} is not in the list")
    budget.spend(len(items) >> 6)
    del items[found]


def _insert(budget: Budget, items: list[Any], index: int, value: Any) -> None:
    check_ints("insert", index)
    budget.make_list(len(items) + 1, 0)
    budget.spend(len(items) >> 6)
    items.insert(max(-len(items), min(index, len(items))), value)


def _pop(budget: Budget, items: list[Any], index: int = -1) -> Any:
    check_ints("pop", index)
    budget.spend(len(items) >> 6 if index != -1 else 0)
    try:
        return items.pop(index)
    except (IndexError, OverflowError):
        raise EvalError(f"pop(): index {index} is out of range for a list of {len(items)}") from None


def _append(budget: Budget, items: list[Any], value: Any) -> None:
    budget.make_list(len(items) + 1, 0)
    items.append(value)


def _extend(budget: Budget, items: list[Any], more: Any) -> None:
    if type(more) in (list, tuple, dict, range):
        budget.make_list(len(items) + len(more), 0)
        budget.make_list(len(more), POINTER if type(more) is not range else 5 * POINTER)
    items.extend(sequence("extend", more))


def _clear(_: Budget, holder: list[Any] | dict[Any, Any]) -> None:
    holder.clear()


LIST_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "append": _append,
    "clear": _clear,
    "extend": _extend,
    "index": _index,
    "insert": _insert,
    "pop": _pop,
    "remove": _remove,
}

LIST_CHANGES: Final = frozenset({"append", "clear", "extend", "insert", "pop", "remove"})


def _get(budget: Budget, mapping: dict[Any, Any], key: Any, default: Any = None) -> Any:
    budget.key(key)
    return mapping.get(key, default)


def _setdefault(budget: Budget, mapping: dict[Any, Any], key: Any, default: Any = None) -> Any:
    budget.key(key)
    return mapping.setdefault(key, default)


def _dict_pop(budget: Budget, mapping: dict[Any, Any], key: Any, default: Any = _NOTHING) -> Any:
    budget.key(key)
    if key not in mapping and default is _NOTHING:
        raise EvalError(f"pop(): the key {show(key)} is not in the dict")
    return mapping.pop(key, default)


def _popitem(budget: Budget, mapping: dict[Any, Any]) -> tuple[Any, Any]:
    if not mapping:
        raise EvalError("popitem(): the dict is empty")
    budget.spend(1 + (len(mapping) >> 4))
    key = next(iter(mapping))
    budget.key(key)
    return key, mapping.pop(key)


def pairs_of(budget: Budget, name: str, items: Any) -> dict[Any, Any]:
    """Return a dict of the pairs in a list; raises `EvalError` where an item is not a pair."""
    found = {}
    pairs = sequence(name, items)
    budget.make(ENTRY * len(pairs))
    for one in pairs:
        if type(one) not in (list, tuple, dict, range) or len(one) != 2:
            raise EvalError(f"{name}() takes pairs")
        first, second = one
        budget.key(first)
        budget.spend(2)
        found[first] = second
    return found


def _update(budget: Budget, mapping: dict[Any, Any], /, *args: Any, **kwargs: Any) -> None:
    for one in args:
        if type(one) is dict:
            budget.keys(one)
            mapping.update(one)
        else:
            mapping.update(pairs_of(budget, "update", one))
    mapping.update(kwargs)


def _listed(each: int, listed: Callable[[dict[Any, Any]], list[Any]]) -> Callable[..., list[Any]]:
    def call(budget: Budget, mapping: dict[Any, Any]) -> list[Any]:
        budget.make_list(len(mapping), each)
        return listed(mapping)

    return call


DICT_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "clear": _clear,
    "get": _get,
    "items": _listed(9 * POINTER, lambda mapping: list(mapping.items())),
    "keys": _listed(POINTER, list),
    "pop": _dict_pop,
    "popitem": _popitem,
    "setdefault": _setdefault,
    "update": _update,
    "values": _listed(POINTER, lambda mapping: list(mapping.values())),
}

DICT_CHANGES: Final = frozenset({"clear", "pop", "popitem", "setdefault", "update"})


def _to_list(budget: Budget, value: Depset) -> list[Any]:
    return value.to_list(budget)


DEPSET_METHODS: Final[Mapping[str, Callable[..., Any]]] = {"to_list": _to_list}

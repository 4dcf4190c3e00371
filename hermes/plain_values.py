"""Values of fields as JSON values, and back by the types that the fields have."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from hermes.digest import Digest

_LEAVES: Final = frozenset({str, int, bool, type(None)})


@cache
def types_of(kind: Any) -> dict[str, Any]:
    """Return the types of the fields of a class, by their names."""
    return get_type_hints(kind)


def plain(value: Any) -> Any:
    """Return a value of a field as JSON values.

    What has a ``to_json`` says it itself; other tuples with names become objects.
    """
    kind = type(value)
    if kind in _LEAVES:
        return value
    if kind is tuple or kind is list:
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, str):
        return str(value)
    if hasattr(kind, "to_json"):
        return value.to_json()
    usual = kind._field_defaults
    return {
        name: plain(one)
        for name, one in zip(kind._fields, value, strict=True)
        if name not in usual or one != usual[name]
    }


def built(hint: Any, value: Any) -> Any:
    """Return the value of a type that `plain` gave."""
    origin = get_origin(hint)
    if origin is Union or origin is UnionType:
        members = [one for one in get_args(hint) if one is not type(None)]
        return built(members[0], value) if value is not None and len(members) == 1 else value
    if origin is tuple:
        first, *more = get_args(hint)
        if more == [...]:
            return tuple(built(first, one) for one in value)
        return tuple(built(one, item) for one, item in zip((first, *more), value, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: built(get_args(hint)[1], one) for name, one in value.items()}
    if not isinstance(hint, type):
        return value
    if hasattr(hint, "from_json"):
        return hint.from_json(value)
    if hasattr(hint, "_fields"):
        types = types_of(hint)
        return hint(**{name: built(types[name], one) for name, one in value.items()})
    return hint(value) if issubclass(hint, Enum | Digest) else value

"""The functions that every file has, whatever it is for: Starlark's own, and struct, depset, fail, print."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hermes.dsl.dialect.interpreter import Interpreter, compare
from hermes.dsl.dialect.methods import limited, pairs_of, text_of
from hermes.dsl.dialect.values import (
    Builtin,
    Depset,
    EvalError,
    Struct,
    check_hashable,
    check_ints,
    check_strings,
    sequence,
    show,
    type_name,
)

_INT: Final = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)\Z")
_DIGITS: Final = re.compile(r"[+-]?[0-9A-Za-z]+\Z")
_SIZED: Final = (str, list, tuple, dict, range)


def language_builtins(interpreter: Interpreter, say: Callable[[str], None]) -> Mapping[str, Any]:
    """Return the predefined names; ``say`` is given what print() prints."""
    functions = _Functions(interpreter, say)
    named: dict[str, Callable[..., Any]] = {
        "all": functions.all,
        "any": functions.any,
        "bool": bool_of,
        "depset": depset,
        "dict": functions.dict,
        "dir": functions.dir,
        "enumerate": functions.enumerate,
        "fail": fail,
        "getattr": functions.getattr,
        "hasattr": functions.hasattr,
        "hash": hash_of,
        "int": int_of,
        "len": len_of,
        "list": functions.list,
        "max": functions.max,
        "min": functions.min,
        "print": functions.print,
        "range": range_of,
        "repr": show,
        "reversed": functions.reversed,
        "sorted": functions.sorted,
        "str": text_of,
        "struct": struct,
        "tuple": functions.tuple,
        "type": type_name,
        "zip": functions.zip,
    }
    return {name: Builtin(name, call) for name, call in named.items()}


def fail(*args: Any, sep: str = " ", attr: str = "", hint: str | None = None) -> None:
    """Stop with a message; ``attr`` names the attribute that is wrong, ``hint`` says what to do."""
    check_strings("fail", sep, attr, *(() if hint is None else (hint,)))
    raise EvalError(sep.join(text_of(one) for one in args), hint, attribute=attr)


def struct(**fields: Any) -> Struct:
    return Struct(fields)


def depset(direct: Any = (), order: str = "default", *, transitive: Any = ()) -> Depset:
    for one in sequence("depset", transitive):
        if type(one) is not Depset:
            raise EvalError(f"depset(): transitive takes depsets, not {type_name(one)}")
    if type(direct) not in (list, tuple):
        raise EvalError(f"depset(): direct takes a list, not {type_name(direct)}")
    if order not in ("default", "postorder"):
        raise EvalError(f"depset(): the order {order!r} is not known")
    for one in direct:
        check_hashable(one)
    return Depset(direct, transitive)


def bool_of(value: Any = False) -> bool:
    return bool(value)


def int_of(value: Any, base: int = 10) -> int:
    if type(value) in (int, bool):
        return int(value)
    if type(value) is not str:
        raise EvalError(f"int() takes a string or a number, not {type_name(value)}")
    check_ints("int", base)
    if len(value) > 1000 or not (_INT if base == 0 else _DIGITS).match(value):
        raise EvalError(f"int(): {show(value)} is no number")
    try:
        return int(value, base)
    except ValueError:
        raise EvalError(f"int(): {show(value)} is no number of base {base}") from None


def len_of(value: Any) -> int:
    if type(value) not in _SIZED:
        raise EvalError(f"len() takes a string, list, tuple, dict or range, not {type_name(value)}")
    return len(value)


def range_of(start: int, stop: int | None = None, step: int = 1) -> range:
    bounds = (0, start, step) if stop is None else (start, stop, step)
    if not all(type(one) is int for one in bounds):
        raise EvalError("range() takes ints")
    if step == 0:
        raise EvalError("range() with a step of 0")
    found = range(*bounds)
    limited(-((bounds[0] - bounds[1]) // step))
    return found


def hash_of(value: Any) -> int:
    """Return the hash of a string as Java computes it, the same in every process."""
    if type(value) is not str:
        raise EvalError(f"hash() takes a string, not {type_name(value)}")
    units = value.encode("utf-16-le", "surrogatepass")
    found = 0
    for low, high in zip(units[::2], units[1::2], strict=True):
        found = (found * 31 + (high << 8 | low)) & 0xFFFFFFFF
    return found - (1 << 32) if found >> 31 else found


class _Key:
    """Sorts values by the language's own order."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Key) -> bool:
        return compare("<", self.value, other.value)


class _Functions:
    """Those that loop over what they are given, and so count steps."""

    def __init__(self, interpreter: Interpreter, say: Callable[[str], None]) -> None:
        self._interpreter = interpreter
        self._say = say

    def _all_of(self, value: Any) -> list[Any]:
        return list(self._interpreter.each(value))

    def all(self, items: Any) -> bool:
        return all(self._all_of(items))

    def any(self, items: Any) -> bool:
        return any(self._all_of(items))

    def dict(self, pairs: Any = (), **fields: Any) -> dict[Any, Any]:
        if type(pairs) is dict:
            return {**pairs, **fields}
        return {**pairs_of("dict", self._all_of(pairs)), **fields}

    def dir(self, value: Any) -> list[str]:
        if isinstance(value, Struct):
            return sorted(value.fields)
        return sorted(getattr(type(value), "dsl_attributes", ()))

    def enumerate(self, items: Any, start: int = 0) -> list[tuple[int, Any]]:
        check_ints("enumerate", start)
        return list(enumerate(self._all_of(items), start))

    def getattr(self, value: Any, name: str, *default: Any) -> Any:
        _public(name)
        try:
            return self._interpreter.attr(value, name)
        except EvalError:
            if default:
                return default[0]
            raise

    def hasattr(self, value: Any, name: str) -> bool:
        _public(name)
        try:
            self._interpreter.attr(value, name)
        except EvalError:
            return False
        return True

    def list(self, items: Any = ()) -> list[Any]:
        return self._all_of(items)

    def max(self, *items: Any, key: Any = None) -> Any:
        return self._extreme("max", items, key, lambda one, best: compare(">", one, best))

    def min(self, *items: Any, key: Any = None) -> Any:
        return self._extreme("min", items, key, lambda one, best: compare("<", one, best))

    def print(self, *items: Any, sep: str = " ") -> None:
        check_strings("print", sep)
        self._say(sep.join(text_of(one) for one in items))

    def reversed(self, items: Any) -> Any:
        return self._all_of(items)[::-1]

    def sorted(self, items: Any, *, key: Any = None, reverse: bool = False) -> Any:
        found = self._all_of(items)
        _check_key("sorted", key)
        if key is None:
            return sorted(found, key=_Key, reverse=bool(reverse))
        return sorted(found, key=lambda one: _Key(key(one)), reverse=bool(reverse))

    def tuple(self, items: Any = ()) -> Any:
        return tuple(self._all_of(items))

    def zip(self, *lists: Any) -> Any:
        return list(zip(*(self._all_of(one) for one in lists), strict=False))

    def _extreme(self, name: str, items: Sequence[Any], key: Any, better: Callable[[Any, Any], bool]) -> Any:
        found = self._all_of(items[0]) if len(items) == 1 else items
        if not found:
            raise EvalError(f"{name}() of nothing")
        _check_key(name, key)
        best = found[0]
        weight = key(best) if key else best
        for one in found[1:]:
            its_weight = key(one) if key else one
            if better(its_weight, weight):
                best, weight = one, its_weight
        return best


def _check_key(name: str, key: Any) -> None:
    if key is not None and type_name(key) not in ("function", "builtin_function_or_method"):
        raise EvalError(f"{name}() takes a function as key, not {type_name(key)}")


def _public(name: Any) -> None:
    if type(name) is not str or name.startswith("_"):
        raise EvalError(f"{show(name)} is not the name of an attribute")

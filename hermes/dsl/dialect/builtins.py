"""The functions that every file has, whatever it is for: Starlark's own, and struct, depset, fail, print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from hermes.dsl.dialect.budget import POINTER, Budget, too_long
from hermes.dsl.dialect.compare import Key, compare
from hermes.dsl.dialect.holder_methods import pairs_of
from hermes.dsl.dialect.interpreter import Interpreter
from hermes.dsl.dialect.members import has, names_of
from hermes.dsl.dialect.string_methods import joined, text_of
from hermes.dsl.dialect.values import (
    LARGEST_TEXT,
    Builtin,
    Depset,
    EvalError,
    Struct,
    check_ints,
    check_strings,
    described,
    sequence,
    show,
    type_name,
    written,
)

_INT: Final = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)\Z")
_DIGITS: Final = re.compile(r"[+-]?[0-9A-Za-z]+\Z")
_PRINTING: Final = 2000
_SIZED: Final = (str, list, tuple, dict, range)


def language_builtins(interpreter: Interpreter, say: Callable[[str], None]) -> Mapping[str, Any]:
    """Return the predefined names; ``say`` is given what print() prints."""
    functions = _Functions(interpreter, say)
    named: dict[str, Callable[..., Any]] = {
        "all": functions.all,
        "any": functions.any,
        "bool": bool_of,
        "depset": functions.depset,
        "dict": functions.dict,
        "dir": functions.dir,
        "enumerate": functions.enumerate,
        "fail": functions.fail,
        "getattr": functions.getattr,
        "hasattr": functions.hasattr,
        "hash": functions.hash,
        "int": functions.int,
        "len": len_of,
        "list": functions.list,
        "max": functions.max,
        "min": functions.min,
        "print": functions.print,
        "range": range_of,
        "repr": lambda value: written(value, interpreter.budget),
        "reversed": functions.reversed,
        "sorted": functions.sorted,
        "str": lambda value: text_of(interpreter.budget, value),
        "struct": struct,
        "tuple": functions.tuple,
        "type": type_name,
        "zip": functions.zip,
    }
    return {name: Builtin(name, call) for name, call in named.items()}


def struct(**fields: Any) -> Struct:
    return Struct(fields)


def bool_of(value: Any = False, /) -> bool:
    return bool(value)


def len_of(value: Any) -> int:
    if type(value) not in _SIZED:
        raise EvalError(f"len() takes a string, list, tuple, dict or range, not {described(value)}")
    return len(value)


def range_of(start: int, stop: int | None = None, step: int = 1) -> range:
    bounds = (0, start, step) if stop is None else (start, stop, step)
    if not all(type(one) is int for one in bounds):
        raise EvalError("range() takes ints")
    if step == 0:
        raise EvalError("range() with a step of 0")
    length = -((bounds[0] - bounds[1]) // step)
    if length > LARGEST_TEXT:
        raise too_long(length)
    return range(*bounds)


class _Functions:
    """Those that cost more than a step."""

    def __init__(self, interpreter: Interpreter, say: Callable[[str], None]) -> None:
        self._interpreter = interpreter
        self._budget: Budget = interpreter.budget
        self._say = say

    def _all_of(self, value: Any, each: int = POINTER) -> list[Any]:
        items = self._interpreter.loops.items(value)
        each += 4 * POINTER if type(value) is range else 0
        self._budget.make_list(len(value), each)
        return list(items)

    def _joined(self, sep: str, items: Iterable[Any]) -> str:
        return str(joined(self._budget, sep, [text_of(self._budget, one) for one in items]))

    def all(self, items: Any) -> bool:
        return all(self._interpreter.loops.items(items))

    def any(self, items: Any) -> bool:
        return any(self._interpreter.loops.items(items))

    def depset(self, direct: Any = (), order: str = "default", *, transitive: Any = ()) -> Depset:
        for one in sequence("depset", transitive):
            if type(one) is not Depset:
                raise EvalError(f"depset(): transitive takes depsets, not {described(one)}")
        if type(direct) not in (list, tuple):
            raise EvalError(f"depset(): direct takes a list, not {described(direct)}")
        if order not in ("default", "postorder"):
            raise EvalError(f"depset(): the order {show(order)} is not known")
        self._budget.make_list(len(direct) + len(transitive))
        for one in direct:
            self._budget.key(one)
        return Depset(direct, transitive)

    def dict(self, pairs: Any = (), /, **fields: Any) -> dict[Any, Any]:
        if type(pairs) is dict:
            self._budget.keys(pairs)
            return {**pairs, **fields}
        return {**pairs_of(self._budget, "dict", self._all_of(pairs)), **fields}

    def dir(self, value: Any, /) -> list[str]:
        return sorted(names_of(value))

    def enumerate(self, items: Any, start: int = 0) -> list[tuple[int, Any]]:
        check_ints("enumerate", start)
        return list(enumerate(self._all_of(items, 13 * POINTER), start))

    def fail(self, *args: Any, sep: str = " ", attr: str = "", hint: str | None = None) -> None:
        """Stop with a message; ``attr`` names the attribute that is wrong, ``hint`` says what to do."""
        check_strings("fail", sep, attr, *(() if hint is None else (hint,)))
        raise EvalError(self._joined(sep, args), hint, attribute=attr)

    def getattr(self, value: Any, name: str, *default: Any) -> Any:
        _public(name)
        if default and not has(value, name):
            return default[0]
        return self._interpreter.attr(value, name)

    def hash(self, value: Any) -> int:
        """Return the hash of a string as Java computes it, the same in every process."""
        if type(value) is not str:
            raise EvalError(f"hash() takes a string, not {described(value)}")
        self._budget.spend(2 * len(value))
        units = value.encode("utf-16-le", "surrogatepass")
        found = 0
        for low, high in zip(units[::2], units[1::2], strict=True):
            found = (found * 31 + (high << 8 | low)) & 0xFFFFFFFF
        return found - (1 << 32) if found >> 31 else found

    def hasattr(self, value: Any, name: str) -> bool:
        _public(name)
        return has(value, name)

    def int(self, value: Any, base: Any = None) -> int:
        if type(value) in (int, bool):
            if base is not None:
                raise EvalError("int() takes a base with a string only")
            return int(value)
        if type(value) is not str:
            raise EvalError(f"int() takes a string or a number, not {described(value)}")
        base = 10 if base is None else base
        check_ints("int", base)
        self._budget.spend(min(len(value), 1000) >> 2)
        if len(value) > 1000 or not (_INT if base == 0 else _DIGITS).match(value):
            raise EvalError(f"int(): {show(value)} is not a number")
        try:
            return int(value, base)
        except ValueError:
            raise EvalError(f"int(): {show(value)} is not a number of base {base}") from None

    def list(self, items: Any = ()) -> list[Any]:
        return self._all_of(items)

    def max(self, *items: Any, key: Any = None) -> Any:
        return self._extreme("max", items, key, ">")

    def min(self, *items: Any, key: Any = None) -> Any:
        return self._extreme("min", items, key, "<")

    def print(self, *items: Any, sep: str = " ") -> None:
        check_strings("print", sep)
        self._budget.spend(_PRINTING)
        self._say(self._joined(sep, items))

    def reversed(self, items: Any) -> Any:
        return self._all_of(items, 2 * POINTER)[::-1]

    def sorted(self, items: Any, *, key: Any = None, reverse: bool = False) -> Any:
        found = self._all_of(items, 2 * POINTER)
        _check_key("sorted", key)
        keys = found if key is None else [key(one) for one in found]
        kinds = set(map(type, keys))
        plain = len(kinds) == 1 and (str in kinds or int in kinds)
        rounds = len(keys) * len(keys).bit_length()
        if plain:
            longest = max(map(len, keys)) if str in kinds else 0
            self._budget.spend((rounds >> 1) + (rounds * longest >> 6))
        else:
            self._budget.make_list(len(keys), 8 * POINTER)
            keys = [Key(self._budget, one) for one in keys]
        if key is None and plain:
            return sorted(found, reverse=bool(reverse))
        order = sorted(range(len(keys)), key=keys.__getitem__, reverse=bool(reverse))
        return [found[number] for number in order]

    def tuple(self, items: Any = ()) -> Any:
        return tuple(self._all_of(items, 2 * POINTER))

    def zip(self, *lists: Any) -> Any:
        found = [self._all_of(one, 3 * POINTER) for one in lists]
        self._budget.make_list(min(map(len, found), default=0), 6 * POINTER)
        return list(zip(*found, strict=False))

    def _extreme(self, name: str, items: Sequence[Any], key: Any, symbol: str) -> Any:
        found = self._all_of(items[0]) if len(items) == 1 else items
        if not found:
            raise EvalError(f"{name}() of nothing")
        _check_key(name, key)
        best = found[0]
        weight = key(best) if key else best
        for one in found[1:]:
            its_weight = key(one) if key else one
            self._budget.spend(8)
            if compare(self._budget, symbol, its_weight, weight):
                best, weight = one, its_weight
        return best


def _check_key(name: str, key: Any) -> None:
    if key is not None and type_name(key) not in ("function", "builtin_function_or_method"):
        raise EvalError(f"{name}() takes a function as key, not {described(key)}")


def _public(name: Any) -> None:
    if type(name) is not str or name.startswith("_"):
        raise EvalError(f"{show(name)} is not the name of an attribute")

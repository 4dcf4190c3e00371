"""The methods of strings and how values become text, as the Starlark specification has them.

All take the budget first and then the value they belong to, and charge what they cost before they do it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hermes.dsl.dialect.budget import POINTER, Budget, too_long
from hermes.dsl.dialect.values import (
    LARGEST_TEXT,
    EvalError,
    check_ints,
    check_strings,
    described,
    sequence,
    show,
    written,
)

_FIELD: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z0-9_]*)\}|[{}]")
_PERCENT: Final = re.compile(r"%(.)", re.DOTALL)
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_PIECE: Final = 64
"""Bytes of a short string and of its place in a list."""


def text_of(budget: Budget, value: Any) -> str:
    """Return ``str(value)``."""
    return value if type(value) is str else written(value, budget)


class _Fields:
    """Puts values in the place of the fields of a format, and counts what comes of it."""

    def __init__(self, budget: Budget, text: str) -> None:
        self._budget = budget
        self._size = len(text)
        budget.spend(len(text) >> 2)

    def put(self, value: str) -> str:
        self._size += len(value)
        if self._size > LARGEST_TEXT:
            raise too_long(self._size)
        self._budget.spend(16)
        self._budget.make_text(len(value), value)
        return value


def format_fields(budget: Budget, text: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return ``text.format(...)``: names and positions only, never attributes or items."""
    fields = _Fields(budget, text)
    counter = 0
    numbered = False

    def replaced(match: re.Match[str]) -> str:
        nonlocal counter, numbered
        whole = match.group(0)
        if whole in ("{{", "}}"):
            return whole[0]
        if whole in ("{", "}"):
            raise EvalError(
                f"format(): a single {whole!r} in the string",
                "double it to mean the character, and write plain names between braces: {name}",
            )
        name = match.group(1)
        if name and not (name.isascii() and name.isdigit()):
            if name not in kwargs:
                raise EvalError(f"format(): there is no argument {show(name)}")
            return fields.put(text_of(budget, kwargs[name]))
        if numbered if not name else counter:
            raise EvalError("format(): {} and {0} in one string", "number all of the fields, or none")
        if name:
            numbered = True
            number = int(name) if len(name) < 10 else len(args)
        else:
            number = counter
            counter += 1
        if number >= len(args):
            raise EvalError(f"format(): there is no argument number {number}")
        return fields.put(text_of(budget, args[number]))

    return _FIELD.sub(replaced, text)


def format_percent(budget: Budget, text: str, values: Any) -> str:
    """Return ``text % values`` with ``%s %r %d %x %X %o %c %%``."""
    fields = _Fields(budget, text)
    given = values if type(values) is tuple else (values,)
    position = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal position
        kind = match.group(1)
        if kind == "%":
            return "%"
        if position >= len(given):
            raise EvalError("%: not enough values for the format")
        value = given[position]
        position += 1
        return fields.put(_formatted(budget, kind, value))

    if text.endswith("%") and len(text.rstrip("%")) % 2 != len(text) % 2:
        raise EvalError("%: the format ends in a single %")
    result = _PERCENT.sub(replaced, text)
    if position < len(given):
        raise EvalError("%: too many values for the format")
    return result


def _formatted(budget: Budget, kind: str, value: Any) -> str:
    if kind == "s":
        return text_of(budget, value)
    if kind == "r":
        return written(value, budget)
    if kind in "dxXo":
        if type(value) is not int:
            raise EvalError(f"%{kind} takes an int, not {described(value)}")
        budget.spend(value.bit_length() >> 3)
        return format(value, kind)
    if kind == "c":
        if type(value) is str and len(value) == 1:
            return value
        if type(value) is int and 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000:
            return chr(value)
        raise EvalError("%c takes a character or its number")
    raise EvalError(f"%{kind} is not a conversion", "known are %s %r %d %x %X %o %c %%")


def joined(budget: Budget, text: str, items: Any) -> str:
    if type(items) in (list, tuple, dict, range):
        budget.make_list(len(items))
    parts = sequence("join", items)
    is_plain = text.isascii()
    length = len(text) * len(parts)
    for part in parts:
        if type(part) is not str:
            raise EvalError(f"join(): an item is {described(part)}, not a string", "convert it with str()")
        length += len(part)
        is_plain = is_plain and part.isascii()
    budget.spend(len(parts))
    if length > LARGEST_TEXT:
        raise too_long(length)
    budget.make(length if is_plain else 4 * length)
    return text.join(parts)


def _replace(budget: Budget, text: str, old: str, new: str, count: int = -1) -> str:
    check_strings("replace", old, new)
    check_ints("replace", count)
    if len(text) > 64:
        budget.spend(_search(text, old))
    times = text.count(old) if old else len(text) + 1
    times = min(times, count) if count >= 0 else times
    if times > 4:
        budget.spend(times >> 2)
    budget.make_text(len(text) + times * max(0, len(new) - len(old)), text, new)
    return text.replace(old, new, times)


def _split(budget: Budget, text: str, sep: str | None = None, maxsplit: int | None = None) -> list[str]:
    most = _most_splits(budget, "split", text, sep, maxsplit)
    return text.split(sep, most)


def _rsplit(budget: Budget, text: str, sep: str | None = None, maxsplit: int | None = None) -> list[str]:
    most = _most_splits(budget, "rsplit", text, sep, maxsplit)
    budget.spend(_search_back(text, sep or " "))
    return text.rsplit(sep, most)


def _most_splits(budget: Budget, name: str, text: str, sep: str | None, maxsplit: int | None) -> int:
    """Check and charge the arguments of a split; return how often it splits at most."""
    if sep is not None:
        check_strings(name, sep)
        if not sep:
            raise EvalError(f"{name}(): the separator is empty")
    most = -1
    if maxsplit is not None:
        check_ints(name, maxsplit)
        most = min(maxsplit, len(text)) if maxsplit >= 0 else -1
    if len(text) <= 64:
        return most
    budget.spend(_search(text, sep or " "))
    pieces = 1 + (text.count(sep) if sep else len(text) >> 1)
    pieces = min(pieces, most + 1) if most >= 0 else pieces
    budget.spend(pieces)
    budget.make_text(len(text), text)
    budget.make(_PIECE * pieces)
    return most


def _splitlines(budget: Budget, text: str, keepends: bool = False) -> list[str]:
    lines = 1 + text.count("\n") + text.count("\r")
    budget.spend(4 * lines + (len(text) >> 2))
    budget.make_text(len(text), text)
    budget.make(2 * _PIECE * lines)
    found = _LINE.findall(text)
    return found if keepends else [line.rstrip("\r\n") for line in found]


def _title(budget: Budget, text: str) -> str:
    budget.spend(2 * len(text))
    budget.make(24 * len(text))
    return re.sub(r"[A-Za-z]+", lambda match: match.group(0).capitalize(), text)


def _elems(budget: Budget, text: str) -> list[str]:
    budget.make_list(len(text), POINTER if text.isascii() else POINTER + 76)
    budget.spend(len(text) >> 4)
    return list(text)


def _affix(name: str) -> Callable[..., bool]:
    method = getattr(str, name)

    def check(budget: Budget, text: str, affix: str | tuple[str, ...], *bounds: int | None) -> bool:
        affixes = affix if type(affix) is tuple else (affix,)
        check_strings(name, *affixes)
        check_ints(name, *(one for one in bounds if one is not None))
        if len(text) > 64 or len(affixes) > 8:
            budget.spend(sum(2 + (min(len(one), len(text)) >> 6) for one in affixes))
        return bool(method(text, affix, *bounds))

    return check


def _search(text: str, wanted: str) -> int:
    """Return the steps of looking for a string from the left: CPython's search is linear in long ones."""
    return (len(text) >> 5) + (min(len(text) * len(wanted), 4_000_000) >> 6)


def _search_back(text: str, wanted: str) -> int:
    """Return the steps of looking for a string from the right, which may compare it at each place."""
    return (len(text) * len(wanted)) >> 6


def _strip(text: str, wanted: str) -> int:
    """Return the steps of stripping those characters that a string holds."""
    return (len(text) * len(wanted)) >> 6


def _pass(text: str, wanted: str) -> int:  # noqa: ARG001 - a cost, like the others
    """Return the steps of going through a string once, which takes longer where not all of it is ASCII."""
    return len(text) >> (4 if text.isascii() else 2)


_COSTS: Final[Mapping[str, Callable[[str, str], int]]] = {
    "capitalize": _pass,
    "count": _search,
    "find": _search,
    "index": _search,
    "isalnum": _pass,
    "isalpha": _pass,
    "isdigit": _pass,
    "islower": _pass,
    "isspace": _pass,
    "istitle": _pass,
    "isupper": _pass,
    "lower": _pass,
    "lstrip": _strip,
    "partition": _search,
    "removeprefix": _pass,
    "removesuffix": _pass,
    "rfind": _search_back,
    "rindex": _search_back,
    "rpartition": _search_back,
    "rstrip": _strip,
    "strip": _strip,
    "upper": _pass,
}
_SEARCHES: Final = frozenset({"count", "find", "index", "rfind", "rindex"})


def _plain(name: str, cost: Callable[[str, str], int]) -> Callable[..., Any]:
    """Return a method of str whose arguments must be strings, but for trailing ints and None."""
    method = getattr(str, name)

    def call(budget: Budget, text: str, *args: Any) -> Any:
        wanted = " "
        for number, value in enumerate(args):
            if number == 0 and type(value) is str:
                wanted = value
            elif type(value) is str or value is None or (type(value) is int and number > 0):
                continue
            else:
                raise EvalError(f"{name}() takes a string, not {described(value)}")
        if len(text) > 64:
            budget.spend(cost(text, wanted))
            if name not in _SEARCHES:
                budget.make_text(len(text), text)
        try:
            return method(text, *args)
        except TypeError:
            raise EvalError(f"{name}() takes other arguments") from None
        except ValueError:
            raise EvalError(f"{name}(): {show(args[0])} is not in {show(text)}") from None

    return call


STRING_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "elems": _elems,
    "endswith": _affix("endswith"),
    "format": lambda budget, text, /, *args, **kwargs: format_fields(budget, text, args, kwargs),
    "join": joined,
    "replace": _replace,
    "rsplit": _rsplit,
    "split": _split,
    "splitlines": _splitlines,
    "startswith": _affix("startswith"),
    "title": _title,
    **{name: _plain(name, cost) for name, cost in _COSTS.items()},
}

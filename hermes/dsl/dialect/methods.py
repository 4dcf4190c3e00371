"""The methods of strings, lists and dicts, as the Starlark specification has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from hermes.dsl.dialect.values import (
    LARGEST_TEXT,
    EvalError,
    check_hashable,
    check_ints,
    check_strings,
    sequence,
    show,
    type_name,
)

_FIELD: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z0-9_]*)\}|[{}]")
_PERCENT: Final = re.compile(r"%(.)", re.DOTALL)
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_NOTHING: Final = object()


def text_of(value: Any) -> str:
    """Return ``str(value)``."""
    return value if type(value) is str else show(value)


def format_fields(text: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return ``text.format(...)``: names and positions only, never attributes or items."""
    counter = 0
    size = len(text)

    def replaced(match: re.Match[str]) -> str:
        nonlocal counter, size
        whole = match.group(0)
        if whole in ("{{", "}}"):
            return whole[0]
        if whole in ("{", "}"):
            raise EvalError(
                f"format(): a single {whole!r} in the string",
                "double it to mean the character, and write plain names between braces: {name}",
            )
        name = match.group(1)
        if not name or name.isdigit():
            number = int(name) if name else counter
            counter += not name
            if number >= len(args):
                raise EvalError(f"format(): there is no argument number {number}")
            value = text_of(args[number])
        elif name in kwargs:
            value = text_of(kwargs[name])
        else:
            raise EvalError(f"format(): there is no argument {name!r}")
        size += len(value)
        limited(size)
        return value

    return _FIELD.sub(replaced, text)


def format_percent(text: str, values: Any) -> str:
    """Return ``text % values`` with ``%s %r %d %x %X %o %c %%``."""
    given = values if type(values) is tuple else (values,)
    position = 0
    size = len(text)

    def replaced(match: re.Match[str]) -> str:
        nonlocal position, size
        kind = match.group(1)
        if kind == "%":
            return "%"
        if position >= len(given):
            raise EvalError("%: not enough values for the format")
        value = given[position]
        position += 1
        shown = _formatted(kind, value)
        size += len(shown)
        limited(size)
        return shown

    if text.endswith("%") and len(text.rstrip("%")) % 2 != len(text) % 2:
        raise EvalError("%: the format ends in a single %")
    result = _PERCENT.sub(replaced, text)
    if position < len(given):
        raise EvalError("%: too many values for the format")
    return result


def _formatted(kind: str, value: Any) -> str:
    if kind == "s":
        return text_of(value)
    if kind == "r":
        return show(value)
    if kind in "dxXo":
        if type(value) is not int:
            raise EvalError(f"%{kind} takes an int, not {type_name(value)}")
        return format(value, kind)
    if kind == "c":
        if type(value) is str and len(value) == 1:
            return value
        if type(value) is int and 0 <= value < 0x110000:
            return chr(value)
        raise EvalError("%c takes a character or its number")
    raise EvalError(f"%{kind} is not a conversion", "known are %s %r %d %x %X %o %c %%")


def limited(size: int) -> None:
    """Raise `EvalError` when a string or list would have more than a file may make."""
    if size > LARGEST_TEXT:
        raise EvalError(f"the result would have {size} characters or items, more than {LARGEST_TEXT}")


def _join(text: str, items: Any) -> str:
    parts = sequence("join", items)
    for part in parts:
        if type(part) is not str:
            raise EvalError(f"join(): an item is {type_name(part)}, not string", "convert it with str()")
    limited(sum(map(len, parts)) + len(text) * len(parts))
    return text.join(parts)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    check_strings("replace", old, new)
    check_ints("replace", count)
    times = text.count(old) if old else len(text) + 1
    times = min(times, count) if count >= 0 else times
    limited(len(text) + times * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def _split(text: str, sep: str | None = None, maxsplit: int | None = None) -> list[str]:
    return text.split(sep, _most_splits("split", text, sep, maxsplit))


def _rsplit(text: str, sep: str | None = None, maxsplit: int | None = None) -> list[str]:
    return text.rsplit(sep, _most_splits("rsplit", text, sep, maxsplit))


def _most_splits(name: str, text: str, sep: str | None, maxsplit: int | None) -> int:
    """Check the arguments of a split; return how often it splits at most."""
    if sep is not None:
        check_strings(name, sep)
        if not sep:
            raise EvalError(f"{name}(): the separator is empty")
    if maxsplit is None:
        return -1
    check_ints(name, maxsplit)
    return min(maxsplit, len(text)) if maxsplit >= 0 else -1


def _splitlines(text: str, keepends: bool = False) -> list[str]:
    found = _LINE.findall(text)
    return found if keepends else [line.rstrip("\r\n") for line in found]


def _title(text: str) -> str:
    return re.sub(r"[A-Za-z]+", lambda match: match.group(0).capitalize(), text)


def _affix(name: str) -> Callable[..., bool]:
    method = getattr(str, name)

    def check(text: str, affix: str | tuple[str, ...], *bounds: int | None) -> bool:
        check_strings(name, *(affix if type(affix) is tuple else (affix,)))
        check_ints(name, *(one for one in bounds if one is not None))
        return bool(method(text, affix, *bounds))

    return check


def _plain(name: str) -> Callable[..., Any]:
    """Return a method of str whose arguments must be strings, but for trailing ints and None."""
    method = getattr(str, name)

    def call(text: str, *args: Any) -> Any:
        for number, value in enumerate(args):
            if type(value) is str or value is None or (type(value) is int and number > 0):
                continue
            raise EvalError(f"{name}() takes a string, not {type_name(value)}")
        try:
            return method(text, *args)
        except TypeError:
            raise EvalError(f"{name}() takes other arguments") from None
        except ValueError:
            raise EvalError(f"{name}(): {show(args[0])} is not in {show(text)}") from None

    return call


STRING_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "elems": list,
    "endswith": _affix("endswith"),
    "format": lambda text, /, *args, **kwargs: format_fields(text, args, kwargs),
    "join": _join,
    "replace": _replace,
    "rsplit": _rsplit,
    "split": _split,
    "splitlines": _splitlines,
    "startswith": _affix("startswith"),
    "title": _title,
    **{
        name: _plain(name)
        for name in (
            "capitalize",
            "count",
            "find",
            "index",
            "isalnum",
            "isalpha",
            "isdigit",
            "islower",
            "isspace",
            "istitle",
            "isupper",
            "lower",
            "lstrip",
            "partition",
            "removeprefix",
            "removesuffix",
            "rfind",
            "rindex",
            "rpartition",
            "rstrip",
            "strip",
            "upper",
        )
    },
}


def _index(items: list[Any], value: Any, *bounds: int) -> int:
    check_ints("index", *bounds)
    try:
        return items.index(value, *bounds)
    except ValueError:
        raise EvalError(f"index(): {show(value)} is not in the list") from None


def _remove(items: list[Any], value: Any) -> None:
    try:
        items.remove(value)
    except ValueError:
        raise EvalError(f"remove(): {show(value)} is not in the list") from None


def _insert(items: list[Any], position: int, value: Any) -> None:
    check_ints("insert", position)
    items.insert(max(-len(items), min(position, len(items))), value)


def _pop(items: list[Any], position: int = -1) -> Any:
    check_ints("pop", position)
    try:
        return items.pop(position)
    except (IndexError, OverflowError):
        raise EvalError(f"pop(): there is no item {position} in a list of {len(items)}") from None


def _extend(items: list[Any], more: Any) -> None:
    added = sequence("extend", more)
    limited(len(items) + len(added))
    items.extend(added)


LIST_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "append": list.append,
    "clear": list.clear,
    "extend": _extend,
    "index": _index,
    "insert": _insert,
    "pop": _pop,
    "remove": _remove,
}

LIST_CHANGES: Final = frozenset({"append", "clear", "extend", "insert", "pop", "remove"})


def _get(mapping: dict[Any, Any], key: Any, default: Any = None) -> Any:
    check_hashable(key)
    return mapping.get(key, default)


def _setdefault(mapping: dict[Any, Any], key: Any, default: Any = None) -> Any:
    check_hashable(key)
    return mapping.setdefault(key, default)


def _dict_pop(mapping: dict[Any, Any], key: Any, default: Any = _NOTHING) -> Any:
    check_hashable(key)
    if key not in mapping and default is _NOTHING:
        raise EvalError(f"pop(): the key {show(key)} is not in the dict")
    return mapping.pop(key, default)


def _popitem(mapping: dict[Any, Any]) -> tuple[Any, Any]:
    if not mapping:
        raise EvalError("popitem(): the dict is empty")
    key = next(iter(mapping))
    return key, mapping.pop(key)


def pairs_of(name: str, items: Any) -> dict[Any, Any]:
    """Return a dict of the pairs in a list; raises `EvalError` where one is no pair."""
    found = {}
    for one in sequence(name, items):
        pair = sequence(name, one)
        if len(pair) != 2:
            raise EvalError(f"{name}() takes pairs")
        check_hashable(pair[0])
        found[pair[0]] = pair[1]
    return found


def _update(mapping: dict[Any, Any], *args: Any, **kwargs: Any) -> None:
    for one in args:
        mapping.update(one if type(one) is dict else pairs_of("update", one))
    mapping.update(kwargs)


DICT_METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "clear": dict.clear,
    "get": _get,
    "items": lambda mapping: list(mapping.items()),
    "keys": list,
    "pop": _dict_pop,
    "popitem": _popitem,
    "setdefault": _setdefault,
    "update": _update,
    "values": lambda mapping: list(mapping.values()),
}

DICT_CHANGES: Final = frozenset({"clear", "pop", "popitem", "setdefault", "update"})

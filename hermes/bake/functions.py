"""The functions of bake files: those of docker buildx, which are those of HCL's standard library.

See "Bake standard library functions" of the buildx documentation.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import hashlib
import io
import itertools
import json
import math
import os
import re
import urllib.parse
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from hermes.bake.hcl import kind_of, shown


class FunctionError(Exception):
    """A function was called with what it does not take."""


def call(name: str, arguments: Sequence[Any]) -> Any:
    """Return what a function gives; raises `KeyError` for an unknown function, and `FunctionError`."""
    function = FUNCTIONS[name]
    try:
        return function(*arguments)
    except FunctionError as error:
        raise FunctionError(f"{name}(): {error}") from None
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, re.error) as error:
        given = ", ".join(map(kind_of, arguments))
        raise FunctionError(f"{name}() cannot be called with ({given}): {error}") from None


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def _coalesce(*values: Any) -> Any:
    for one in values:
        if one is not None:
            return one
    raise FunctionError("all arguments are null")


def _coalesce_list(*values: list[Any]) -> list[Any]:
    for one in values:
        if one:
            return one
    raise FunctionError("all lists are empty")


def _contains(items: list[Any], value: Any) -> bool:
    return any(kind_of(one) == kind_of(value) and one == value for one in items)


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for one in items:
        if not _contains(found, one):
            found.append(one)
    return found


def _element(items: list[Any], index: int) -> Any:
    return items[int(index) % len(items)]


def _flatten(items: list[Any]) -> list[Any]:
    return [inner for one in items for inner in (_flatten(one) if isinstance(one, list) else [one])]


def _format(template: str, *values: Any) -> str:
    given = iter(values)

    def one(match: re.Match[str]) -> str:
        flags, verb = match.group(1), match.group(2)
        if verb == "%":
            return "%"
        value = next(given, None)
        if verb == "v":
            return shown(value) if not isinstance(value, list | dict) else json.dumps(value)
        if verb == "q":
            return json.dumps(shown(value))
        if verb == "s":
            return f"%{flags}s" % shown(value)
        if verb == "t":
            return shown(bool(value))
        return f"%{flags}{verb}" % (int(value) if verb in "dxXobc" else float(value))  # type: ignore[arg-type]

    return re.sub(r"%([-+ #0]*\d*(?:\.\d+)?)([a-zA-Z%])", one, template)


def _format_list(template: str, *values: Any) -> list[str]:
    lengths = {len(one) for one in values if isinstance(one, list)}
    if len(lengths) > 1:
        raise FunctionError("the lists are of different lengths")
    count = lengths.pop() if lengths else 1
    rows = ([one[number] if isinstance(one, list) else one for one in values] for number in range(count))
    return [_format(template, *row) for row in rows]


def _format_date(layout: str, stamp: str) -> str:
    moment = dt.datetime.fromisoformat(stamp)
    names = {
        "YYYY": f"{moment:%Y}",
        "YY": f"{moment:%y}",
        "MMMM": f"{moment:%B}",
        "MMM": f"{moment:%b}",
        "MM": f"{moment:%m}",
        "M": str(moment.month),
        "DD": f"{moment:%d}",
        "D": str(moment.day),
        "EEEE": f"{moment:%A}",
        "EEE": f"{moment:%a}",
        "hh": f"{moment:%H}",
        "h": str(moment.hour),
        "HH": f"{moment:%I}",
        "H": str(int(f"{moment:%I}")),
        "AA": f"{moment:%p}",
        "aa": f"{moment:%p}".lower(),
        "mm": f"{moment:%M}",
        "m": str(moment.minute),
        "ss": f"{moment:%S}",
        "s": str(moment.second),
        "ZZZZZ": f"{moment:%z}"[:3] + ":" + f"{moment:%z}"[3:],
        "ZZZZ": f"{moment:%z}",
        "ZZZ": "UTC" if not moment.utcoffset() else f"{moment:%z}",
        "Z": "Z" if not moment.utcoffset() else f"{moment:%z}"[:3] + ":" + f"{moment:%z}"[3:],
    }

    def one(match: re.Match[str]) -> str:
        text = match.group()
        if text.startswith("'"):
            return text[1:-1].replace("''", "'") or "'"
        if text not in names:
            raise FunctionError(f"{text!r} means nothing in a layout of dates")
        return names[text]

    return re.sub(r"'(?:[^']|'')*'|([a-zA-Z])\1*", one, layout)


def _timestamp() -> str:
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    now = dt.datetime.now(dt.UTC) if not seconds else dt.datetime.fromtimestamp(int(seconds), dt.UTC)
    return f"{now:%Y-%m-%dT%H:%M:%SZ}"


def _time_add(stamp: str, duration: str) -> str:
    units = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
    parts = re.findall(r"([-+]?\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", duration)
    if not parts or "".join(itertools.chain(*parts)) != duration:
        raise FunctionError(f"{duration!r} is not a duration, such as 1h30m")
    sign = -1 if duration.startswith("-") else 1
    seconds = sum(abs(float(number)) * units[unit] for number, unit in parts) * sign
    moment = dt.datetime.fromisoformat(stamp)
    return (moment + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _index(collection: Any, key: Any) -> Any:
    return collection[shown(key)] if isinstance(collection, dict) else collection[int(key)]


def _index_of(items: list[Any], value: Any) -> int:
    return next(number for number, one in enumerate(items) if kind_of(one) == kind_of(value) and one == value)


def _lookup(values: dict[str, Any], key: str, *default: Any) -> Any:
    if key in values or not default:
        return values[key]
    return default[0]


def _merge(*values: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in values:
        found.update(one or {})
    return found


def _python_template(text: str) -> str:
    """Return what Go's regexp writes as ``$1`` and ``${name}`` in the way of Python's."""
    return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda match: rf"\g<{match.group(1) or match.group(2)}>", text)


def _regex(pattern: str, text: str) -> Any:
    found = re.search(pattern, text)
    if found is None:
        raise FunctionError(f"{pattern!r} does not match {text!r}")
    return _groups(found)


def _groups(found: re.Match[str]) -> Any:
    if found.re.groupindex:
        return found.groupdict()
    return list(found.groups()) if found.re.groups else found.group()


def _range(*numbers: int) -> list[int | float]:
    start, end, step = (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3]
    if step == 0:
        raise FunctionError("the step is 0")
    count = max(0, math.ceil((end - start) / step))
    if count > 1024:
        raise FunctionError("more than 1024 numbers")
    return [_number(start + number * step) for number in range(count)]


def _sanitize(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text)


def _set_product(*lists: list[Any]) -> list[list[Any]]:
    return [list(row) for row in itertools.product(*lists)]


def _sorted_set(items: Sequence[Any]) -> list[Any]:
    return sorted(_distinct(list(items)), key=lambda one: (kind_of(one), one))


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(items):
        raise FunctionError(f"there is no part from {start} to {end} in a list of {len(items)}")
    return items[int(start) : int(end)]


def _substr(text: str, offset: int, length: int) -> str:
    start = offset + len(text) if offset < 0 else offset
    return text[int(start) :] if length < 0 else text[int(start) : int(start) + int(length)]


def _split(separator: str, text: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _join(separator: str, *lists: list[str]) -> str:
    return separator.join(shown(one) for items in lists for one in items)


def _title(text: str) -> str:
    return re.sub(r"(^|[\s_-])(\w)", lambda match: match.group(1) + match.group(2).upper(), text)


def _indent(spaces: int, text: str) -> str:
    return text.replace("\n", "\n" + " " * int(spaces))


def _length(value: Any) -> int:
    if isinstance(value, str):
        raise FunctionError("of a text: use strlen()")
    return len(value)


def _csv(text: str) -> list[dict[str, str]]:
    return [dict(row) for row in csv.DictReader(io.StringIO(text))]


def _keys(values: dict[str, Any]) -> list[str]:
    return sorted(values)


def _to_int(value: Any) -> int:
    return int(float(value))


def _parse_int(text: Any, base: int) -> int:
    return int(shown(text), int(base))


def _signum(value: float) -> int:
    return (value > 0) - (value < 0)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "absolute": lambda one: _number(abs(one)),
    "add": lambda one, other: _number(one + other),
    "and": lambda one, other: bool(one and other),
    "base64decode": lambda text: base64.b64decode(text, validate=True).decode(),
    "base64encode": lambda text: base64.b64encode(text.encode()).decode(),
    "basename": os.path.basename,
    "ceil": math.ceil,
    "chomp": lambda text: text.rstrip("\r\n"),
    "chunklist": lambda items, size: [items[at : at + size] for at in range(0, len(items), size)],
    "coalesce": _coalesce,
    "coalescelist": _coalesce_list,
    "compact": lambda items: [one for one in items if one not in ("", None)],
    "concat": lambda *lists: list(itertools.chain(*lists)),
    "contains": _contains,
    "csvdecode": _csv,
    "dirname": os.path.dirname,
    "distinct": _distinct,
    "divide": lambda one, other: _number(one / other),
    "element": _element,
    "equal": lambda one, other: kind_of(one) == kind_of(other) and one == other,
    "flatten": _flatten,
    "floor": math.floor,
    "format": _format,
    "formatdate": _format_date,
    "formatlist": _format_list,
    "greaterthan": lambda one, other: one > other,
    "greaterthanorequalto": lambda one, other: one >= other,
    "hasindex": lambda items, key: key in items if isinstance(items, dict) else 0 <= key < len(items),
    "indent": _indent,
    "index": _index,
    "indexof": _index_of,
    "int": _to_int,
    "join": _join,
    "jsondecode": json.loads,
    "jsonencode": lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True),
    "keys": _keys,
    "length": _length,
    "lessthan": lambda one, other: one < other,
    "lessthanorequalto": lambda one, other: one <= other,
    "log": lambda value, base: _number(math.log(value, base)),
    "lookup": _lookup,
    "lower": lambda text: text.lower(),
    "max": max,
    "md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
    "merge": _merge,
    "min": min,
    "modulo": lambda one, other: _number(math.fmod(one, other)),
    "multiply": lambda one, other: _number(one * other),
    "negate": lambda one: -one,
    "not": lambda one: not one,
    "notequal": lambda one, other: not (kind_of(one) == kind_of(other) and one == other),
    "or": lambda one, other: bool(one or other),
    "parseint": _parse_int,
    "pow": lambda base, power: _number(math.pow(base, power)),
    "range": _range,
    "regex": _regex,
    "regex_replace": lambda text, pattern, new: re.sub(pattern, _python_template(new), text),
    "regexall": lambda pattern, text: [_groups(one) for one in re.finditer(pattern, text)],
    "replace": lambda text, old, new: text.replace(old, new),
    "reverse": lambda text: text[::-1],
    "reverselist": lambda items: items[::-1],
    "sanitize": _sanitize,
    "sethaselement": _contains,
    "setintersection": lambda first, *rest: _sorted_set(
        [one for one in first if all(_contains(other, one) for other in rest)]
    ),
    "setproduct": _set_product,
    "setsubtract": lambda one, other: _sorted_set([item for item in one if not _contains(other, item)]),
    "setsymmetricdifference": lambda one, other: _sorted_set(
        [item for item in [*one, *other] if _contains(one, item) != _contains(other, item)]
    ),
    "setunion": lambda *lists: _sorted_set(list(itertools.chain(*lists))),
    "sha1": lambda text: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
    "sha256": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "sha512": lambda text: hashlib.sha512(text.encode()).hexdigest(),
    "signum": _signum,
    "slice": _slice,
    "sort": sorted,
    "split": _split,
    "strlen": len,
    "substr": _substr,
    "subtract": lambda one, other: _number(one - other),
    "timeadd": _time_add,
    "timestamp": _timestamp,
    "title": _title,
    "trim": lambda text, characters: text.strip(characters),
    "trimprefix": lambda text, prefix: text.removeprefix(prefix),
    "trimspace": lambda text: text.strip(),
    "trimsuffix": lambda text, suffix: text.removesuffix(suffix),
    "upper": lambda text: text.upper(),
    "urlencode": urllib.parse.quote_plus,
    "uuidv5": lambda space, name: str(uuid.uuid5(_namespace(space), name)),
    "values": lambda values: [values[key] for key in sorted(values)],
    "zipmap": lambda keys, values: dict(zip(keys, values, strict=True)),
}


def _namespace(text: str) -> uuid.UUID:
    known = {
        "dns": uuid.NAMESPACE_DNS,
        "url": uuid.NAMESPACE_URL,
        "oid": uuid.NAMESPACE_OID,
        "x500": uuid.NAMESPACE_X500,
    }
    return known.get(text) or uuid.UUID(text)

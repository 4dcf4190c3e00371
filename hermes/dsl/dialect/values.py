"""The kinds of value that the language adds to Python's, and how every value is shown.

A class whose values a file may hold lists in ``dsl_attributes`` what ``value.name`` may reach, and says in
``dsl_type`` what ``type(value)`` gives. Anything else cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Protocol

LARGEST_TEXT: Final = 1 << 24
"""The most characters that a string may have, and the most items that a list may have."""


class EvalError(Exception):
    """An operation of a file failed; where is found from the traceback.

    ``attribute`` names the attribute of a target whose value is to blame, if that is known.
    """

    def __init__(self, message: str, hint: str | None = None, *, attribute: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.attribute = attribute


class Value(Protocol):
    """What a class needs to be a kind of value of the language."""

    dsl_type: ClassVar[str]
    dsl_attributes: ClassVar[frozenset[str]]


def arguments_error(name: str, error: TypeError) -> Exception:
    """Return what to raise for a `TypeError` out of a call of a function written in Python.

    It is the file's fault when it was raised by the call itself, and a bug when it came from further in.
    """
    if error.__traceback__ is None or error.__traceback__.tb_next is not None:
        return error
    _, found, rest = str(error).partition("() ")
    return EvalError(f"{name}() {rest if found else error}")


class Builtin:
    """A function of the language that is written in Python."""

    __slots__ = ("call", "name")
    dsl_type: ClassVar[str] = "builtin_function_or_method"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name = name
        self.call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.call(*args, **kwargs)
        except TypeError as error:
            raise arguments_error(self.name, error) from None

    def __repr__(self) -> str:
        return f"<built-in function {self.name}>"


class Namespace:
    """A fixed set of named values, such as ``attr``."""

    __slots__ = ("members", "name")
    dsl_type: ClassVar[str] = "module"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, members: Mapping[str, Any]) -> None:
        self.name = name
        self.members = dict(members)

    def __repr__(self) -> str:
        return f"<module {self.name}>"


class Struct:
    """An immutable record with the fields it was made with."""

    __slots__ = ("fields",)
    dsl_type: ClassVar[str] = "struct"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = dict(fields)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.fields.items(), key=lambda item: item[0])))

    def __repr__(self) -> str:
        return show(self)


class Depset:
    """A set of values that remembers an order and shares what it was made of.

    ``to_list`` gives the direct values after those of the transitive sets, each once.
    """

    __slots__ = ("direct", "transitive")
    dsl_type: ClassVar[str] = "depset"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset({"to_list"})

    def __init__(self, direct: Iterable[Any] = (), transitive: Iterable[Depset] = ()) -> None:
        self.direct = tuple(direct)
        self.transitive = tuple(transitive)

    def to_list(self) -> list[Any]:
        found: dict[Any, None] = {}
        visited: set[int] = set()
        pending: list[tuple[Depset, bool]] = [(self, False)]
        while pending:
            one, entered = pending.pop()
            if entered:
                found.update(dict.fromkeys(one.direct))
            elif id(one) not in visited:
                visited.add(id(one))
                pending.append((one, True))
                pending.extend((below, False) for below in reversed(one.transitive))
        return list(found)

    def __repr__(self) -> str:
        return show(self)


def type_name(value: Any) -> str:
    """Return what ``type(value)`` gives."""
    kind = type(value)
    return _NAMES.get(kind) or str(getattr(kind, "dsl_type", kind.__name__))


_NAMES: Final[Mapping[type, str]] = {
    type(None): "NoneType",
    bool: "bool",
    int: "int",
    str: "string",
    list: "list",
    tuple: "tuple",
    dict: "dict",
    range: "range",
}


def check_hashable(value: Any) -> None:
    """Raise `EvalError` if a value cannot be a key of a dict."""
    try:
        hash(value)
    except TypeError:
        raise EvalError(f"{type_name(value)} cannot be a key of a dict") from None


def check_strings(name: str, *values: Any) -> None:
    """Raise `EvalError` if an argument of the function called ``name`` is no string."""
    for value in values:
        if type(value) is not str:
            raise EvalError(f"{name}() takes a string, not {type_name(value)}")


def check_ints(name: str, *values: Any) -> None:
    """Raise `EvalError` if an argument of the function called ``name`` is no int."""
    for value in values:
        if type(value) is not int:
            raise EvalError(f"{name}() takes an int, not {type_name(value)}")


def sequence(name: str, items: Any) -> list[Any]:
    """Return the items of what the function called ``name`` takes a list of; raises `EvalError`."""
    if type(items) in (list, tuple, dict, range):
        return list(items)
    raise EvalError(f"{name}() takes a list, not {type_name(items)}")


def show(value: Any) -> str:
    """Return ``repr(value)``, with double quotes as Starlark has them; raises `EvalError` if it is too long."""
    parts: list[str] = []
    length = 0
    for part in _parts(value, 0):
        parts.append(part)
        length += len(part)
        if length > LARGEST_TEXT:
            raise EvalError("the value is too large to be shown")
    return "".join(parts)


def _parts(value: Any, depth: int) -> Iterator[str]:
    if depth > 100:
        raise EvalError("the value is nested too deeply to be shown")
    kind = type(value)
    if kind is str:
        yield quote(value)
    elif kind is list or kind is tuple:
        yield "[" if kind is list else "("
        for number, item in enumerate(value):
            yield ", " if number else ""
            yield from _parts(item, depth + 1)
        yield "]" if kind is list else ",)" if len(value) == 1 else ")"
    elif kind is dict:
        yield "{"
        for number, (key, item) in enumerate(value.items()):
            yield ", " if number else ""
            yield from _parts(key, depth + 1)
            yield ": "
            yield from _parts(item, depth + 1)
        yield "}"
    elif isinstance(value, Struct):
        yield f"{type_name(value)}("
        for number, (name, item) in enumerate(sorted(value.fields.items())):
            yield f", {name} = " if number else f"{name} = "
            yield from _parts(item, depth + 1)
        yield ")"
    elif kind is Depset:
        yield "depset("
        yield from _parts(value.to_list(), depth + 1)
        yield ")"
    elif kind in (int, bool, type(None), range):
        yield repr(value)
    else:
        yield repr(value) if hasattr(kind, "dsl_type") else f"<{kind.__name__}>"


def quote(text: str) -> str:
    """Return a string as a literal in double quotes."""
    body = text.replace("\\", "\\\\").replace('"', '\\"')
    body = body.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{body}"'

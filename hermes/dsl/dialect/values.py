"""The kinds of value that the language adds to Python's, and how every value is shown.

A class whose values a file may hold lists in ``dsl_attributes`` what ``value.name`` may reach, and says in
``dsl_type`` what ``type(value)`` gives. Anything else cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, Protocol

LARGEST_TEXT: Final = 1 << 24
"""The most characters that a string may have, and the most items that a list may have."""

_MOST_SHOWN: Final = 200
_MOST_DEPTH: Final = 100


class EvalError(Exception):
    """An operation of a file failed; where is found from the traceback.

    ``attribute`` names the attribute of a target whose value is to blame, if that is known.
    """

    def __init__(self, message: str, hint: str | None = None, *, attribute: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.attribute = attribute


class Meter(Protocol):
    """What counts the work and the memory that operations take; see `hermes.dsl.dialect.budget`."""

    def spend(self, work: int) -> None: ...
    def make(self, size: int) -> None: ...
    def key(self, value: Any) -> None: ...


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


Check = Callable[[str, tuple[Any, ...], Mapping[str, Any]], None]
"""Raises `EvalError` for what the function of a name does not take: its arguments by position, and those by name."""


class Builtin:
    """A function of the language that is written in Python; ``check`` looks at its arguments first."""

    __slots__ = ("call", "check", "name")
    dsl_type: ClassVar[str] = "builtin_function_or_method"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, call: Callable[..., Any], check: Check | None = None) -> None:
        self.name = name
        self.call = call
        self.check = check

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if self.check is not None:
            self.check(self.name, args, kwargs)
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
    """An immutable record with the fields it was made with.

    ``hashes_fields`` tells whether structs with different fields have different hashes.
    """

    __slots__ = ("fields",)
    dsl_type: ClassVar[str] = "struct"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()
    hashes_fields: ClassVar[bool] = True

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = dict(fields)

    def like(self, other: Struct) -> bool:
        """Tell whether ``other`` is of the same kind, whatever its fields hold."""
        return type(other) is type(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Struct) and self.like(other) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.fields.items(), key=lambda item: item[0])))

    def __repr__(self) -> str:
        return show(self)


class Depset:
    """A set of values that remembers an order and shares what it was made of.

    ``to_list`` gives the direct values after those of the transitive sets, each once; ``meter`` is charged for it.
    """

    __slots__ = ("direct", "transitive")
    dsl_type: ClassVar[str] = "depset"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, direct: Iterable[Any] = (), transitive: Iterable[Depset] = ()) -> None:
        self.direct = tuple(direct)
        self.transitive = tuple(transitive)

    def to_list(self, meter: Meter | None = None) -> list[Any]:
        found: dict[Any, None] = {}
        visited: set[int] = set()
        pending: list[tuple[Depset, bool]] = [(self, False)]
        while pending:
            one, entered = pending.pop()
            if meter is not None:
                meter.spend(8)
            if entered:
                if meter is not None:
                    meter.make(len(one.direct) * 100)
                    for value in one.direct:
                        meter.key(value)
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


def described(value: Any) -> str:
    """Return what a value is, as a message says it: ``None``, ``a string``, ``an ImageInfo``."""
    if value is None:
        return "None"
    name = getattr(value, "dsl_called", "") or type_name(value)
    name = _CALLED.get(name, name)
    return name if name == "entries" else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


_CALLED: Final[Mapping[str, str]] = {
    "File": "file",
    "Layer": "layer",
    "Target": "target",
    "Label": "label",
    "builtin_function_or_method": "function",
}
"""What messages call types whose names are none that an author writes."""

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


def check_strings(name: str, *values: Any) -> None:
    """Raise `EvalError` if an argument of the function called ``name`` is not a string."""
    for value in values:
        if type(value) is not str:
            raise EvalError(f"{name}() takes a string, not {described(value)}")


def check_ints(name: str, *values: Any) -> None:
    """Raise `EvalError` if an argument of the function called ``name`` is not an int."""
    for value in values:
        if type(value) is not int:
            raise EvalError(f"{name}() takes an int, not {described(value)}")


def sequence(name: str, items: Any) -> list[Any]:
    """Return the items of what the function called ``name`` takes a list of; raises `EvalError`."""
    if type(items) in (list, tuple, dict, range):
        return list(items)
    raise EvalError(f"{name}() takes a list, not {described(items)}")


def show(value: Any) -> str:
    """Return ``repr(value)`` for a message, with double quotes as Starlark has them and shortened if it is long."""
    writer = _Writer(_MOST_SHOWN, None)
    try:
        writer.put(value, 0)
    except _FullError:
        return "".join(writer.parts)[:_MOST_SHOWN] + "..."
    return "".join(writer.parts)


def written(value: Any, meter: Meter) -> str:
    """Return ``repr(value)``; raises `EvalError` if it is too long."""
    writer = _Writer(LARGEST_TEXT, meter)
    try:
        writer.put(value, 0)
    except _FullError:
        raise EvalError("the value is too large to be shown") from None
    return "".join(writer.parts)


class _FullError(Exception):
    pass


class _Writer:
    """Writes a value in ``parts``, of so many characters in all; ``meter`` is charged where there is one."""

    __slots__ = ("_meter", "_room", "parts")

    def __init__(self, room: int, meter: Meter | None) -> None:
        self.parts: list[str] = []
        self._room = room
        self._meter = meter

    def _add(self, text: str) -> None:
        self.parts.append(text)
        self._room -= len(text)
        if self._room < 0:
            raise _FullError

    def put(self, value: Any, depth: int) -> None:
        if depth > _MOST_DEPTH:
            if self._meter is None:
                raise _FullError
            raise EvalError("the value is nested too deeply to be shown")
        if self._meter is not None:
            self._meter.spend(8)
        kind = type(value)
        if kind is str:
            if self._meter is not None:
                self._meter.make(8 * len(value))
            self._add(quote(value[: self._room + 1]))
        elif kind is list or kind is tuple:
            self._items("[" if kind is list else "(", value, depth)
            self._add("]" if kind is list else ",)" if len(value) == 1 else ")")
        elif kind is dict:
            self._entries("{", value.items(), depth)
            self._add("}")
        elif isinstance(value, Struct):
            self._fields(f"{type_name(value)}(", sorted(value.fields.items(), key=lambda one: one[0]), depth)
            self._add(")")
        elif kind is Depset:
            self._add("depset(")
            self.put(value.to_list(self._meter), depth + 1)
            self._add(")")
        elif kind in (int, bool, type(None), range):
            if kind is int and self._meter is not None:
                self._meter.spend(value.bit_length() >> 3)
            self._add(repr(value))
        else:
            self._add(repr(value) if hasattr(kind, "dsl_type") else f"<{kind.__name__}>")

    def _items(self, start: str, items: Iterable[Any], depth: int) -> None:
        self._add(start)
        for number, item in enumerate(items):
            if number:
                self._add(", ")
            self.put(item, depth + 1)

    def _entries(self, start: str, entries: Iterable[tuple[Any, Any]], depth: int) -> None:
        self._add(start)
        for number, (key, item) in enumerate(entries):
            if number:
                self._add(", ")
            self.put(key, depth + 1)
            self._add(": ")
            self.put(item, depth + 1)

    def _fields(self, start: str, fields: Iterable[tuple[str, Any]], depth: int) -> None:
        self._add(start)
        for number, (name, item) in enumerate(fields):
            self._add(f", {name} = " if number else f"{name} = ")
            self.put(item, depth + 1)


def quote(text: str) -> str:
    """Return a string as a literal in double quotes."""
    body = text.replace("\\", "\\\\").replace('"', '\\"')
    body = body.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{body}"'

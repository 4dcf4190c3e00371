"""Runs compiled files: the guards that stand in for their operations, freezing, and where errors happened."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType, FunctionType, TracebackType
from typing import Any, ClassVar, Final

from hermes.dsl.dialect.check import suggest
from hermes.dsl.dialect.methods import (
    DICT_CHANGES,
    DICT_METHODS,
    LIST_CHANGES,
    LIST_METHODS,
    STRING_METHODS,
    format_percent,
    limited,
)
from hermes.dsl.dialect.values import (
    Depset,
    EvalError,
    Namespace,
    Struct,
    arguments_error,
    check_hashable,
    show,
    type_name,
)
from hermes.errors import BuildFileError, HermesError, SourceLocation

MOST_STEPS: Final = 20_000_000
_MOST_BITS: Final = 4096
_MOST_DEPTH: Final = 200

_METHODS: Final[Mapping[type, tuple[Mapping[str, Callable[..., Any]], frozenset[str]]]] = {
    str: (STRING_METHODS, frozenset()),
    list: (LIST_METHODS, LIST_CHANGES),
    dict: (DICT_METHODS, DICT_CHANGES),
}
_INTEGER: Final[Mapping[str, Callable[[int, int], int]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "|": operator.or_,
    "&": operator.and_,
    "^": operator.xor,
}
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Function:
    """A function that a file defines. It may not call itself, directly or through others."""

    __slots__ = ("_active", "_call", "file", "name")
    dsl_type: ClassVar[str] = "function"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, call: FunctionType, active: set[CodeType]) -> None:
        self._call = call
        self._active = active
        self.name = "lambda" if call.__name__ == "<lambda>" else call.__name__
        self.file = call.__code__.co_filename

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        code, active = self._call.__code__, self._active
        if code in active:
            raise EvalError(f"{self.name}() calls itself, which is not allowed")
        active.add(code)
        try:
            return self._call(*args, **kwargs)
        finally:
            active.discard(code)

    @property
    def held(self) -> Iterator[Any]:
        """The values that the function keeps: its defaults, and what it uses of functions around it."""
        yield from self._call.__defaults__ or ()
        yield from (self._call.__kwdefaults__ or {}).values()
        for cell in self._call.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:
                continue

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that may be given by position or by name."""
        code = self._call.__code__
        return code.co_varnames[: code.co_argcount]

    def __repr__(self) -> str:
        return f"<function {self.name} from {self.file}>"


class Interpreter:
    """What the files of one workspace share while they run: limits, frozen values, functions being called."""

    def __init__(self) -> None:
        self.steps = 0
        self._active: set[CodeType] = set()
        self._frozen: dict[int, tuple[Any, str]] = {}
        self.running: list[str] = []
        self.guards: Mapping[str, Any] = {
            "$attr": self.attr,
            "$augment": self.augment,
            "$augment_item": self.augment_item,
            "$binary": self.binary,
            "$compare": compare,
            "$each": self.each,
            "$function": self.function,
            "$item": item,
            "$keywords": keywords,
            "$set_item": self.set_item,
            "$slice": slice_of,
            "$unary": unary,
            "$unpacked": unpacked,
            "__builtins__": {},
        }

    def run(self, code: CodeType, file: str, names: Mapping[str, Any]) -> dict[str, Any]:
        """Run a file with ``names`` predefined; return the names it defines. Errors are not located yet."""
        space: dict[str, Any] = {**names, **self.guards}
        self.running.append(file)
        try:
            exec(code, space)  # noqa: S102 - the code has passed the whitelist, and its builtins are empty
        finally:
            self.running.pop()
        return {
            name: value
            for name, value in space.items()
            if name not in self.guards and not (name in names and names[name] is value)
        }

    def freeze(self, values: Iterable[Any], file: str) -> None:
        """Make everything reachable from ``values`` immutable, as it is when its file has been loaded."""
        pending = list(values)
        while pending:
            value = pending.pop()
            kind = type(value)
            if kind is list or kind is dict:
                if id(value) in self._frozen:
                    continue
                self._frozen[id(value)] = (value, file)
                pending.extend(value if kind is list else value.values())
            elif kind is tuple:
                pending.extend(value)
            elif isinstance(value, Struct):
                pending.extend(value.fields.values())
            elif kind is Depset:
                pending.extend((*value.direct, *value.transitive))
            elif kind is Function and id(value) not in self._frozen:
                self._frozen[id(value)] = (value, file)
                pending.extend(value.held)

    def function(self, call: FunctionType) -> Function:
        return Function(call, self._active)

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise EvalError(f"the files take more than {MOST_STEPS} steps", "loop over less")

    def each(self, value: Any) -> Iterable[Any]:
        """Return what a loop over ``value`` goes through."""
        kind = type(value)
        if kind is list:
            self.spend(len(value) + 1)
            return _unchanging(value)
        if kind is tuple or kind is range or kind is dict:
            self.spend(len(value) + 1)
            return value if kind is not dict else list(value)
        if kind is str:
            raise EvalError("a string cannot be looped over", "use .elems() for its characters")
        if kind is Depset:
            raise EvalError("a depset cannot be looped over", "use .to_list()")
        raise EvalError(f"{type_name(value)} cannot be looped over")

    def attr(self, value: Any, name: str) -> Any:
        """Return ``value.name``, by the exact type of the value."""
        kind = type(value)
        if found := _METHODS.get(kind):
            methods, changes = found
            method = methods.get(name)
            if method is None:
                raise _no_attribute(value, name, methods)
            if name in changes:
                self.spend(1)
                self.check_mutable(value)
            return _Bound(value, name, method)
        if isinstance(value, Struct):
            if name in value.fields:
                return value.fields[name]
            raise _no_attribute(value, name, value.fields)
        if kind is Namespace:
            if name in value.members:
                return value.members[name]
            raise _no_attribute(value, name, value.members)
        allowed = getattr(kind, "dsl_attributes", None)
        if allowed is None or name not in allowed:
            raise _no_attribute(value, name, allowed or ())
        found_value = getattr(value, name)
        if callable(found_value) and not hasattr(type(found_value), "dsl_type"):
            return _Bound(value, name, getattr(kind, name))
        return found_value

    def binary(self, symbol: str, left: Any, right: Any) -> Any:
        """Return ``left symbol right``."""
        one, other = type(left), type(right)
        if one is str and symbol == "%":
            return format_percent(left, right)
        if one is other is int:
            return _integers(symbol, left, right)
        if symbol == "+":
            if one is other and one in (str, list, tuple):
                limited(len(left) + len(right))
                self.spend(1 + len(right) // 16)
                return left + right
            if hasattr(one, "dsl_add"):
                return left.dsl_add(right)
            if hasattr(other, "dsl_radd"):
                return right.dsl_radd(left)
        elif symbol == "*":
            if other is int and one in (str, list, tuple):
                limited(len(left) * max(0, right))
                return left * right
            if one is int and other in (str, list, tuple):
                limited(len(right) * max(0, left))
                return right * left
        elif symbol == "|":
            if one is other is dict:
                return {**left, **right}
            if hasattr(one, "dsl_or"):
                return left.dsl_or(right)
            if hasattr(other, "dsl_ror"):
                return right.dsl_ror(left)
        raise EvalError(f"{type_name(left)} {symbol} {type_name(right)} is not possible")

    def augment(self, symbol: str, left: Any, right: Any) -> Any:
        """Return the new value of a variable after ``left symbol= right``; a list is extended in place."""
        if symbol == "+" and type(left) is list:
            self.check_mutable(left)
            added = list(self.each(right))
            limited(len(left) + len(added))
            left.extend(added)
            return left
        if symbol == "|" and type(left) is type(right) is dict:
            self.check_mutable(left)
            left.update(right)
            return left
        return self.binary(symbol, left, right)

    def augment_item(self, symbol: str, holder: Any, key: Any, right: Any) -> None:
        self.set_item(holder, key, self.augment(symbol, item(holder, key), right))

    def set_item(self, holder: Any, key: Any, value: Any) -> None:
        self.check_mutable(holder)
        if type(holder) is list:
            _check_index(key)
            try:
                holder[key] = value
            except IndexError:
                raise EvalError(f"there is no item {key} in a list of {len(holder)}") from None
        elif type(holder) is dict:
            check_hashable(key)
            holder[key] = value
        else:
            raise EvalError(f"items of {type_name(holder)} cannot be assigned")

    def check_mutable(self, value: Any) -> None:
        """Raise `EvalError` if ``value`` belongs to a file that has been loaded."""
        frozen = self._frozen.get(id(value))
        if frozen is not None and frozen[0] is value:
            now = self.running[-1] if self.running else "another file"
            raise EvalError(
                f"{now} may not change a {type_name(value)} of {frozen[1]}, which is frozen once it is loaded",
                "make a new one: list(x), dict(x), or x + [...]",
            )


class _Bound:
    """A method and the value it belongs to."""

    __slots__ = ("_method", "_name", "_value")
    dsl_type: ClassVar[str] = "builtin_function_or_method"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, value: Any, name: str, method: Callable[..., Any]) -> None:
        self._value = value
        self._name = name
        self._method = method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._method(self._value, *args, **kwargs)
        except TypeError as error:
            raise arguments_error(self._name, error) from None

    def __repr__(self) -> str:
        return f"<built-in method {self._name} of {type_name(self._value)} value>"


def _unchanging(items: list[Any]) -> Iterator[Any]:
    count = len(items)
    for number in range(count):
        if len(items) != count:
            raise EvalError("a list was changed while it was looped over")
        yield items[number]
    if len(items) != count:
        raise EvalError("a list was changed while it was looped over")


def _integers(symbol: str, left: int, right: int) -> int:
    if symbol in ("//", "%") and right == 0:
        raise EvalError("division by zero")
    if symbol in ("<<", ">>") and right < 0:
        raise EvalError("a shift by a negative number")
    bits = left.bit_length() + (right if symbol == "<<" else right.bit_length() if symbol == "*" else 0)
    if bits > _MOST_BITS:
        raise EvalError("the number is too large")
    return _INTEGER[symbol](left, right)


def unary(symbol: str, value: Any) -> int:
    """Return ``-value``, ``+value`` or ``~value``."""
    if type(value) is not int:
        raise EvalError(f"{symbol}{type_name(value)} is not possible")
    return -value if symbol == "-" else value if symbol == "+" else ~value


def compare(symbol: str, left: Any, right: Any) -> bool:
    """Return ``left symbol right``; True is no number, and only like is ordered with like."""
    if symbol == "==":
        return equal(left, right)
    if symbol == "!=":
        return not equal(left, right)
    if symbol == "in":
        return contains(right, left)
    if symbol == "not in":
        return not contains(right, left)
    one = type(left)
    if one is type(right) and one in (int, str, bool):
        return _ORDER[symbol](left, right)
    if one is type(right) and one in (list, tuple):
        return _in_order(symbol, left, right)
    if one is type(right) and hasattr(one, "dsl_ordered"):
        return _ORDER[symbol](left, right)
    raise EvalError(f"{type_name(left)} {symbol} {type_name(right)} is not possible")


def _in_order(symbol: str, left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Compare two lists or tuples by the first items that differ, or by their lengths."""
    for one, other in zip(left, right, strict=False):
        if not equal(one, other):
            return compare(symbol, one, other)
    return _ORDER[symbol](len(left), len(right))


def equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal, going through what they hold."""
    budget = [MOST_STEPS // 10]
    return _equal(left, right, budget, 0)


def _equal(left: Any, right: Any, budget: list[int], depth: int) -> bool:
    if left is right:
        return True
    kind = type(left)
    if kind is not type(right):
        return False
    budget[0] -= 1
    if budget[0] < 0 or depth > _MOST_DEPTH:
        raise EvalError("the values are too large to be compared")
    if kind is list or kind is tuple:
        return len(left) == len(right) and all(
            _equal(one, other, budget, depth + 1) for one, other in zip(left, right, strict=True)
        )
    if kind is dict:
        return len(left) == len(right) and all(
            key in right and _equal(value, right[key], budget, depth + 1) for key, value in left.items()
        )
    if isinstance(left, Struct):
        return _equal(left.fields, right.fields, budget, depth + 1)
    return bool(left == right)


def contains(holder: Any, value: Any) -> bool:
    """Return ``value in holder``."""
    kind = type(holder)
    if kind is str:
        if type(value) is not str:
            raise EvalError(f"{type_name(value)} in string is not possible")
        return value in holder
    if kind is list or kind is tuple:
        return any(equal(one, value) for one in holder)
    if kind is dict:
        check_hashable(value)
        return value in holder
    if kind is range:
        return type(value) is int and value in holder
    if hasattr(kind, "dsl_contains"):
        return bool(holder.dsl_contains(value))
    raise EvalError(f"{type_name(value)} in {type_name(holder)} is not possible")


def item(holder: Any, key: Any) -> Any:
    """Return ``holder[key]``."""
    kind = type(holder)
    if kind is dict:
        check_hashable(key)
        if key not in holder:
            raise EvalError(
                f"the key {show(key)} is not in the dict",
                suggest(key, [one for one in holder if type(one) is str]) if type(key) is str else None,
            )
        return holder[key]
    if kind in (list, tuple, str, range):
        _check_index(key)
        try:
            return holder[key]
        except IndexError:
            raise EvalError(f"there is no item {key} in a {type_name(holder)} of {len(holder)}") from None
    if hasattr(kind, "dsl_item"):
        return holder.dsl_item(key)
    raise EvalError(f"{type_name(holder)} has no items")


def slice_of(holder: Any, start: Any, stop: Any, step: Any) -> Any:
    """Return ``holder[start:stop:step]``."""
    if type(holder) not in (list, tuple, str, range):
        raise EvalError(f"{type_name(holder)} cannot be sliced")
    for bound in (start, stop, step):
        if bound is not None:
            _check_index(bound)
    if step == 0:
        raise EvalError("a slice with a step of 0")
    return holder[start:stop:step]


def keywords(value: Any) -> dict[str, Any]:
    """Return what ``**value`` gives a call."""
    if type(value) is not dict or not all(type(key) is str for key in value):
        raise EvalError("** takes a dict whose keys are strings")
    return value


def unpacked(value: Any) -> Sequence[Any]:
    """Return ``value`` if it may be assigned to several names."""
    if type(value) not in (list, tuple):
        raise EvalError(f"{type_name(value)} cannot be assigned to several names")
    return value  # type: ignore[no-any-return]


def _check_index(key: Any) -> None:
    if type(key) is not int:
        raise EvalError(f"an index is an int, not {type_name(key)}")


def _no_attribute(value: Any, name: str, known: Iterable[str]) -> EvalError:
    return EvalError(f"{type_name(value)} has no attribute {name!r}", suggest(name, known))


class CallSite:
    """Where a file called something, worked out when somebody asks."""

    __slots__ = ("_code", "_instruction", "_locator")

    def __init__(self, locator: Locator, code: CodeType, instruction: int) -> None:
        self._locator = locator
        self._code = code
        self._instruction = instruction

    @property
    def file(self) -> str:
        return self._code.co_filename

    def __call__(self) -> SourceLocation:
        return self._locator.place(self._code, self._instruction)


class Locator:
    """Says where in which file something happened. ``text_of`` gives the lines of a file, if it is one."""

    def __init__(self, text_of: Callable[[str], Sequence[str] | None]) -> None:
        self._text_of = text_of

    def place(self, code: CodeType, instruction: int) -> SourceLocation:
        """Return the place of an instruction of a file's code."""
        return self._location(code, instruction, 0, self._text_of(code.co_filename) or ())

    def frames(self, trace: TracebackType | None) -> list[SourceLocation]:
        """Return the places in files that a traceback went through, outermost first."""
        found = []
        while trace is not None:
            code = trace.tb_frame.f_code
            lines = self._text_of(code.co_filename)
            if lines is not None:
                found.append(self._location(code, trace.tb_lasti, trace.tb_lineno, lines))
            trace = trace.tb_next
        return found

    def located(self, error: BaseException, inside: Callable[[SourceLocation], bool]) -> HermesError:
        """Return ``error`` as a `BuildFileError` with its place.

        ``inside`` tells files of Hermes' own rules, which are only shown when there is no other place.
        """
        if isinstance(error, HermesError) and error.location is not None:
            return error
        frames = self.frames(error.__traceback__)
        if not isinstance(error, EvalError | HermesError) and not (frames and self._of_a_file(error)):
            raise error
        location = next((one for one in reversed(frames) if not inside(one)), frames[-1] if frames else None)
        hint = getattr(error, "hint", None)
        kind = type(error) if isinstance(error, BuildFileError) else BuildFileError
        message = error.message if isinstance(error, HermesError) else _message(error)
        outer = [one for one in frames if one is not location and not inside(one)]
        outer = outer[: frames.index(location)] if location in outer else outer
        if outer:
            calls = "".join(f"\n  called from {one}" for one in reversed(outer))
            message += calls
        return kind(message, hint=hint, location=location)

    def _of_a_file(self, error: BaseException) -> bool:
        """Tell whether Python raised an exception for what a file did, and not for what Hermes did."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is None:
            return False
        code = trace.tb_frame.f_code
        return self._text_of(code.co_filename) is not None or code is Function.__call__.__code__

    def _location(self, code: CodeType, instruction: int, line: int, lines: Sequence[str]) -> SourceLocation:
        column = 0
        for number, position in enumerate(code.co_positions()):
            if number == instruction // 2:
                if position[0]:
                    line = position[0]
                if position[2] is not None:
                    column = position[2] + 1
                break
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        if column:
            column = len(text.encode()[: column - 1].decode(errors="ignore")) + 1
        return SourceLocation(code.co_filename, line, column, text)


def _message(error: BaseException) -> str:
    if isinstance(error, EvalError):
        return str(error)
    if isinstance(error, UnboundLocalError | NameError):
        name = getattr(error, "name", None) or str(error).partition("'")[2].partition("'")[0]
        return f"{name!r} is used before it has a value"
    if isinstance(error, TypeError | ValueError):
        text = str(error)
        if "not callable" in text:
            return "this value cannot be called"
        if "unpack" in text:
            return f"the number of names does not fit: {text}"
        return text
    if isinstance(error, RecursionError):
        return "calls are nested too deeply"
    if isinstance(error, RuntimeError | OverflowError | MemoryError):
        return str(error) or type(error).__name__
    raise error

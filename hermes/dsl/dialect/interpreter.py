"""Runs compiled files: the guards that stand in for their operations, freezing, and where errors happened."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import CodeType, FunctionType, TracebackType
from typing import Any, ClassVar, Final

from hermes.dsl.dialect.budget import ENTRY, POINTER, Budget, too_long
from hermes.dsl.dialect.compare import compare
from hermes.dsl.dialect.methods import (
    DEPSET_METHODS,
    DICT_CHANGES,
    DICT_METHODS,
    LIST_CHANGES,
    LIST_METHODS,
    STRING_METHODS,
    format_percent,
)
from hermes.dsl.dialect.spelling import suggest
from hermes.dsl.dialect.values import (
    LARGEST_TEXT,
    Depset,
    EvalError,
    Namespace,
    Struct,
    arguments_error,
    show,
    type_name,
)
from hermes.errors import BuildFileError, HermesError, SourceLocation

_MOST_BITS: Final = 4096
_CHUNK: Final = 256
"""Rounds of a loop that are charged at once."""

_CALL: Final = 64
"""Steps of a call of what Hermes makes, such as the actions of a rule."""

_METHODS: Final[Mapping[type, tuple[Mapping[str, Callable[..., Any]], frozenset[str]]]] = {
    str: (STRING_METHODS, frozenset()),
    list: (LIST_METHODS, LIST_CHANGES),
    dict: (DICT_METHODS, DICT_CHANGES),
    Depset: (DEPSET_METHODS, frozenset()),
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
_NO_CHANGES: Final[frozenset[str]] = frozenset()


class Function:
    """A function that a file defines. It may not call itself, directly or through others."""

    __slots__ = ("_active", "_budget", "_call", "_work", "file", "name")
    dsl_type: ClassVar[str] = "function"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, call: FunctionType, active: set[CodeType], budget: Budget) -> None:
        self._call = call
        self._active = active
        self._budget = budget
        self._work = 8 + len(call.__code__.co_code) // 16
        self.name = "lambda" if call.__name__ == "<lambda>" else call.__name__
        self.file = call.__code__.co_filename

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        self._budget.spend(self._work)
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

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._active: set[CodeType] = set()
        self._frozen: dict[int, tuple[Any, str]] = {}
        self._looped: dict[int, int] = {}
        self.running: list[str] = []
        self.guards: Mapping[str, Any] = {
            "$arguments": self.arguments,
            "$attr": self.attr,
            "$augment": self.augment,
            "$augment_item": self.augment_item,
            "$binary": self.binary,
            "$compare": self.compare,
            "$each": self.each,
            "$function": self.function,
            "$item": self.item,
            "$key": self.key,
            "$keywords": self.keywords,
            "$set_item": self.set_item,
            "$slice": self.slice,
            "$unary": unary,
            "$unpacked": self.unpacked,
            "$unpacked_each": self.unpacked_each,
            "__builtins__": {},
        }

    def run(self, code: CodeType, file: str, names: Mapping[str, Any]) -> dict[str, Any]:
        """Run a file with ``names`` predefined; return the names it defines. Errors are not located yet."""
        space: dict[str, Any] = {**names, **self.guards}
        self.running.append(file)
        outer = self.budget.begin()
        try:
            exec(code, space)  # noqa: S102 - the code has passed the whitelist, and its builtins are empty
        finally:
            self.budget.end(outer)
            self.running.pop()
        return {
            name: value
            for name, value in space.items()
            if name[0] != "$" and name not in self.guards and not (name in names and names[name] is value)
        }

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of a file, such as the implementation of a rule, with a budget of its own."""
        outer = self.budget.begin()
        try:
            return function(*args)
        finally:
            self.budget.end(outer)

    def freeze(self, values: Iterable[Any], file: str) -> None:
        """Make everything reachable from ``values`` immutable, as it is when its file has been loaded."""
        pending = list(values)
        seen: set[int] = set()
        while pending:
            value = pending.pop()
            kind = type(value)
            if kind is str or kind is int or id(value) in seen:
                continue
            if kind is list or kind is dict or kind is Function:
                if id(value) in self._frozen:
                    continue
                self._frozen[id(value)] = (value, file)
                if kind is list:
                    pending.extend(value)
                else:
                    pending.extend(value.held if kind is Function else (*value, *value.values()))
                continue
            seen.add(id(value))
            if kind is tuple:
                pending.extend(value)
            elif isinstance(value, Struct):
                pending.extend(value.fields.values())
            elif kind is Depset:
                pending.extend((*value.direct, *value.transitive))
            elif kind is _Bound:
                pending.append(value.holder)

    def function(self, call: FunctionType) -> Function:
        return Function(call, self._active, self.budget)

    def items(self, value: Any) -> Iterable[Any]:
        """Return what ``value`` holds, if it can be gone through, charging a step for each item."""
        kind = type(value)
        if kind is list or kind is tuple or kind is range or kind is dict:
            self.budget.spend(len(value) + 1)
            return value  # type: ignore[no-any-return]
        raise self._not_iterable(value)

    def each(self, value: Any, work: int) -> Iterable[Any]:
        """Return what a loop over ``value`` goes through, of which every round takes ``work`` steps.

        A list or dict cannot be changed before the loop has ended.
        """
        kind = type(value)
        if kind is list or kind is dict:
            return self._each_of(value, work)
        if kind is tuple or kind is range:
            if len(value) <= _CHUNK:
                self.budget.spend(len(value) * work + 1)
                return value  # type: ignore[no-any-return]
            return self._charged(value, work)
        raise self._not_iterable(value)

    def _each_of(self, value: list[Any] | dict[Any, Any], work: int) -> Iterator[Any]:
        mark = id(value)
        looped = self._looped
        looped[mark] = looped.get(mark, 0) + 1
        try:
            if len(value) <= _CHUNK:
                self.budget.spend(len(value) * work + 1)
                yield from value
            else:
                yield from self._charged(value, work)
        finally:
            if looped[mark] == 1:
                del looped[mark]
            else:
                looped[mark] -= 1

    def _charged(self, value: Any, work: int) -> Iterator[Any]:
        rest = iter(value)
        for start in range(0, len(value), _CHUNK):
            self.budget.spend(min(_CHUNK, len(value) - start) * work)
            yield from islice(rest, _CHUNK)

    def unpacked_each(self, value: Any, work: int) -> Iterable[Any]:
        """Return what a loop with several variables goes through: items that may be assigned to them."""
        return map(self.unpacked, self.each(value, work))

    def unpacked(self, value: Any) -> Sequence[Any]:
        """Return ``value`` if it may be assigned to several names."""
        if type(value) not in (list, tuple, dict, range):
            raise EvalError(f"{type_name(value)} cannot be assigned to several names")
        return value  # type: ignore[no-any-return]

    def arguments(self, value: Any) -> Iterable[Any]:
        """Return what ``*value`` gives a call."""
        items = self.items(value)
        self.budget.make_list(len(value), 5 * POINTER if type(value) is range else POINTER)
        return items

    def keywords(self, value: Any) -> dict[str, Any]:
        """Return what ``**value`` gives a call."""
        if type(value) is not dict or not all(type(key) is str for key in value):
            raise EvalError("** takes a dict whose keys are strings")
        self.budget.make(ENTRY * len(value))
        self.budget.spend(len(value))
        return value

    def _not_iterable(self, value: Any) -> EvalError:
        kind = type(value)
        if kind is str:
            return EvalError("a string cannot be looped over", "use .elems() for its characters")
        if kind is Depset:
            return EvalError("a depset cannot be looped over", "use .to_list()")
        return EvalError(f"{type_name(value)} cannot be looped over")

    def key(self, value: Any) -> Any:
        """Return ``value`` if it may be a key of a dict."""
        if type(value) is not str:
            self.budget.key(value)
        return value

    def compare(self, symbol: str, left: Any, right: Any) -> bool:
        """Return ``left symbol right``."""
        return compare(self.budget, symbol, left, right)

    def has(self, value: Any, name: str) -> bool:
        """Tell whether ``value.name`` is there."""
        return name in names_of(value)

    def attr(self, value: Any, name: str) -> Any:
        """Return ``value.name``, by the exact type of the value."""
        kind = type(value)
        if found := _METHODS.get(kind):
            methods, changes = found
            method = methods.get(name)
            if method is None:
                raise _no_attribute(value, name)
            return _Bound(self, value, name, method, changes)
        if isinstance(value, Struct):
            if name in value.fields:
                return value.fields[name]
            raise _no_attribute(value, name)
        if kind is Namespace:
            if name in value.members:
                return value.members[name]
            raise _no_attribute(value, name)
        allowed = getattr(kind, "dsl_attributes", None)
        if allowed is None or name not in allowed:
            raise _no_attribute(value, name)
        found_value = getattr(value, name)
        if callable(found_value) and not hasattr(type(found_value), "dsl_type"):
            return _Made(self, value, name, getattr(kind, name), _NO_CHANGES)
        return found_value

    def binary(self, symbol: str, left: Any, right: Any) -> Any:
        """Return ``left symbol right``."""
        one, other = type(left), type(right)
        if one is str and symbol == "%":
            return format_percent(self.budget, left, right)
        if one is other is int:
            return self._integers(symbol, left, right)
        if symbol == "+":
            if one is other and one is str:
                self.budget.make_text(len(left) + len(right), left, right)
                return left + right
            if one is other and one in (list, tuple):
                self.budget.make_list(len(left) + len(right))
                return left + right
            if hasattr(one, "dsl_add"):
                return self._joined(left, right, left.dsl_add)
            if hasattr(other, "dsl_radd"):
                return self._joined(right, left, right.dsl_radd)
        elif symbol == "*":
            if other is int and one in (str, list, tuple):
                return self._repeated(left, right)
            if one is int and other in (str, list, tuple):
                return self._repeated(right, left)
        elif symbol == "|":
            if one is other is dict:
                self.budget.keys(left)
                self.budget.keys(right)
                return {**left, **right}
            if hasattr(one, "dsl_or"):
                return self._joined(left, right, left.dsl_or)
            if hasattr(other, "dsl_ror"):
                return self._joined(right, left, right.dsl_ror)
        raise EvalError(f"{type_name(left)} {symbol} {type_name(right)} is not possible")

    def _joined(self, value: Any, other: Any, join: Callable[[Any], Any]) -> Any:
        """Join a value of another kind than the language's own, such as a select, to another value."""
        size = value.dsl_size + getattr(other, "dsl_size", 1)
        self.budget.make_list(size, 2 * POINTER)
        self.budget.spend(size)
        return join(other)

    def _repeated(self, value: Any, times: int) -> Any:
        length = len(value) * max(0, times)
        if type(value) is str:
            self.budget.make_text(length, value)
        else:
            self.budget.make_list(length)
        return value * max(0, times) if length else value[:0]

    def _integers(self, symbol: str, left: int, right: int) -> int:
        if symbol in ("//", "%") and right == 0:
            raise EvalError("division by zero")
        if symbol in ("<<", ">>") and right < 0:
            raise EvalError("a shift by a negative number")
        bits = left.bit_length() + (right if symbol == "<<" else right.bit_length() if symbol == "*" else 0)
        if bits > _MOST_BITS:
            raise EvalError("the number is too large")
        if bits > 64:
            self.budget.spend(bits >> 4)
        return _INTEGER[symbol](left, right)

    def augment(self, symbol: str, left: Any, right: Any) -> Any:
        """Return the new value of a variable after ``left symbol= right``; a list is extended in place."""
        if symbol == "+" and type(left) is list:
            self.check_mutable(left)
            added = list(self.arguments(right))
            if len(left) + len(added) > LARGEST_TEXT:
                raise too_long(len(left) + len(added))
            left.extend(added)
            return left
        if symbol == "|" and type(left) is type(right) is dict:
            self.check_mutable(left)
            self.budget.keys(right)
            left.update(right)
            return left
        return self.binary(symbol, left, right)

    def augment_item(self, symbol: str, holder: Any, key: Any, right: Any) -> None:
        self.set_item(holder, key, self.augment(symbol, self.item(holder, key), right))

    def item(self, holder: Any, key: Any) -> Any:
        """Return ``holder[key]``."""
        kind = type(holder)
        if kind is dict:
            if type(key) is not str:
                self.budget.key(key)
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

    def slice(self, holder: Any, start: Any, stop: Any, step: Any) -> Any:
        """Return ``holder[start:stop:step]``."""
        kind = type(holder)
        if kind not in (list, tuple, str, range):
            raise EvalError(f"{type_name(holder)} cannot be sliced")
        for bound in (start, stop, step):
            if bound is not None:
                _check_index(bound)
        if step == 0:
            raise EvalError("a slice with a step of 0")
        wanted = slice(start, stop, step)
        if kind is not range:
            length = len(range(*wanted.indices(len(holder))))
            if kind is str:
                self.budget.make_text(length, holder)
            else:
                self.budget.make_list(length)
        return holder[wanted]

    def set_item(self, holder: Any, key: Any, value: Any) -> None:
        self.check_mutable(holder)
        if type(holder) is list:
            _check_index(key)
            try:
                holder[key] = value
            except IndexError:
                raise EvalError(f"there is no item {key} in a list of {len(holder)}") from None
        elif type(holder) is dict:
            if type(key) is not str:
                self.budget.key(key)
            holder[key] = value
        else:
            raise EvalError(f"items of {type_name(holder)} cannot be assigned")

    def check_mutable(self, value: Any) -> None:
        """Raise `EvalError` if ``value`` belongs to a file that has been loaded, or is being looped over."""
        mark = id(value)
        frozen = self._frozen.get(mark)
        if frozen is not None and frozen[0] is value:
            now = self.running[-1] if self.running else "another file"
            raise EvalError(
                f"{now} may not change a {type_name(value)} of {frozen[1]}, which is frozen once it is loaded",
                "make a new one: list(x), dict(x), or x + [...]",
            )
        if mark in self._looped:
            copy = "list(x)" if type(value) is list else "x.keys()"
            raise EvalError(
                f"a {type_name(value)} cannot be changed during iteration over it",
                f"loop over a copy: {copy}",
            )


class _Bound:
    """A method and the value it belongs to."""

    __slots__ = ("_interpreter", "_method", "_name", "changes", "holder")
    dsl_type: ClassVar[str] = "builtin_function_or_method"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        interpreter: Interpreter,
        holder: Any,
        name: str,
        method: Callable[..., Any],
        changes: frozenset[str],
    ) -> None:
        self._interpreter = interpreter
        self._method = method
        self._name = name
        self.holder = holder
        self.changes = changes

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if self._name in self.changes:
            self._interpreter.check_mutable(self.holder)
        try:
            return self._method(self._interpreter.budget, self.holder, *args, **kwargs)
        except TypeError as error:
            raise arguments_error(self._name, error) from None

    def __repr__(self) -> str:
        return f"<built-in method {self._name} of {type_name(self.holder)} value>"


class _Made(_Bound):
    """A method of what Hermes makes, such as ``ctx.actions.run``."""

    __slots__ = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        work = _CALL
        for one in (*args, *kwargs.values()):
            if type(one) in (list, tuple, dict):
                work += 8 * len(one)
            elif type(one) is str:
                work += len(one) >> 5
        self._interpreter.budget.spend(work)
        try:
            return self._method(self.holder, *args, **kwargs)
        except TypeError as error:
            raise arguments_error(self._name, error) from None


def unary(symbol: str, value: Any) -> int:
    """Return ``-value``, ``+value`` or ``~value``."""
    if type(value) is not int:
        raise EvalError(f"{symbol}{type_name(value)} is not possible")
    return -value if symbol == "-" else value if symbol == "+" else ~value


def _check_index(key: Any) -> None:
    if type(key) is not int:
        raise EvalError(f"an index is an int, not {type_name(key)}")


def names_of(value: Any) -> Iterable[str]:
    """Return the names of what ``value.name`` reaches."""
    kind = type(value)
    if found := _METHODS.get(kind):
        return found[0]
    if isinstance(value, Struct):
        return value.fields
    if kind is Namespace:
        return dict(value.members)
    return frozenset(getattr(kind, "dsl_attributes", ()))


def _no_attribute(value: Any, name: str) -> EvalError:
    return EvalError(f"{type_name(value)} has no attribute {name!r}", suggest(name, names_of(value)))


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
        if isinstance(error, RecursionError | MemoryError):
            return True
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
    if isinstance(error, MemoryError):
        return "there is not enough memory for the values of the file"
    if isinstance(error, RuntimeError | OverflowError):
        return str(error) or type(error).__name__
    raise error

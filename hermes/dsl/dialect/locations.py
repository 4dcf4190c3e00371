"""Where in which file something happened: places of calls, and of errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CodeType, TracebackType

from hermes.dsl.dialect.functions import Function
from hermes.dsl.dialect.values import EvalError
from hermes.errors import BuildFileError, HermesError, SourceLocation


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

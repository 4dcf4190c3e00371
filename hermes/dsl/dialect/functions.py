"""The functions that files define."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, ClassVar

from hermes.dsl.dialect.budget import Budget
from hermes.dsl.dialect.values import EvalError


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
    def dsl_held(self) -> Iterator[Any]:
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

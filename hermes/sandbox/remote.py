"""Functions that are called across the border of the user namespace, typed on both sides.

A call is declared once, by a `Remote` or `RemoteCommand` that names the function. The caller passes it to
`hermes.sandbox.namespace.Namespace`, and the function says by `serves` or `serves_command` that it is the one, so mypy
checks both ends against the declaration, and only the process in the namespace loads the function's module.

Values cross as JSON: what has ``to_json`` and ``from_json`` says how, and other named tuples are lists of their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hermes.errors import SandboxError, error_of
from hermes.sandbox.messages import receive_message, send_message

if TYPE_CHECKING:
    import socket

P = TypeVar("P")
R = TypeVar("R")

Stdio = tuple[int, int, int]
"""Descriptors of a command's standard input, output and error."""


class _Declared(Generic[P, R]):
    """``function`` is ``package.module.name``; ``task`` is what it does, as errors call it: "extract a layer"."""

    def __init__(self, function: str, parameters: type[P], result: type[R], task: str) -> None:
        self.module, _, self.name = function.rpartition(".")
        self.parameters = parameters
        self.result = result
        self.task = task


class Remote(_Declared[P, R]):
    """A function that takes a ``P`` and returns an ``R``."""


class RemoteCommand(_Declared[P, R]):
    """A function that takes a ``P``, the descriptors of a command and the caller, and returns an ``R``."""


class Caller:
    """What a function of the namespace may ask of the process that called it, over the socket of the call."""

    def __init__(self, call: socket.socket) -> None:
        self._call = call

    def connect(self, process: int) -> None:
        """Have the network namespace of a process (a pidfd) connected with the machine's network; return when it is.

        Raises the error of `hermes.sandbox.namespace.Connect`.
        """
        import socket

        send_message(self._call, {"connect": True})
        socket.send_fds(self._call, [b"n"], [process])
        answer = receive_message(self._call)
        if answer is None:
            raise SandboxError("the process that was to connect the network of a command has ended")
        if "error" in answer:
            raise error_of(answer["error"])


class Served(Generic[P, R]):
    """A function of the namespace, as its process finds it."""

    def __init__(self, remote: _Declared[P, R], function: Callable[..., R]) -> None:
        self.remote = remote
        self.function = function

    def answer(self, parameters: Any, fds: Sequence[int], caller: Caller) -> Any:
        """Call the function with what `encoded` gave; return its result in the same form."""
        more = (tuple(fds), caller) if fds else ()
        return encoded(self.function(decoded(self.remote.parameters, parameters), *more))


def serves(remote: Remote[P, R]) -> Callable[[Callable[[P], R]], Served[P, R]]:
    """Declare that a function is the one that ``remote`` names."""
    return lambda function: Served(remote, function)


def serves_command(
    remote: RemoteCommand[P, R],
) -> Callable[[Callable[[P, Stdio, Caller], R]], Served[P, R]]:
    """As `serves`, for a function that runs a command."""
    return lambda function: Served(remote, function)


def encoded(value: Any) -> Any:
    """Return a parameter or result as a JSON value."""
    return value.to_json() if hasattr(value, "to_json") else value


def decoded(kind: Any, value: Any) -> Any:
    """Return the value of type ``kind`` that `encoded` gave."""
    if hasattr(kind, "from_json"):
        return kind.from_json(value)
    if kind is type(None):
        return None
    return kind(*value) if issubclass(kind, tuple) else kind(value)

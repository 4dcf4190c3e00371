"""The health check of an image, as a target says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hermes.dsl.dialect.values import EvalError, show
from hermes.errors import UsageError

_KINDS: Final = ("CMD", "CMD-SHELL", "NONE")
_TIMES: Final[Mapping[str, str]] = {
    "interval": "Interval",
    "start_interval": "StartInterval",
    "start_period": "StartPeriod",
    "timeout": "Timeout",
}


def with_health_check(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of an image with their health check in the form of a configuration, ``Healthcheck``.

    ``health_check`` is a command, or begins with a word of Docker's (CMD, CMD-SHELL, NONE); ``health_check_options`` maps names as of
    ``HEALTHCHECK``, such as ``start_period``, to texts. Raises `EvalError`.
    """
    given = dict(config)
    command = list(given.pop("health_check", None) or ())
    options = dict(given.pop("health_check_options", None) or {})
    if not command:
        if options:
            raise EvalError("has options, and there is no health_check", attribute="health_check_options")
        return given
    check: dict[str, Any] = {"Test": command if command[0] in _KINDS else ["CMD", *command]}
    kind, *words = check["Test"]
    if (kind == "NONE") != (not words) or (kind == "CMD-SHELL" and len(words) > 1):
        raise EvalError(
            f"{show(command)} is not a health check",
            'write a command, as ["/app", "--check"], ["CMD-SHELL", "a line for /bin/sh"], or ["NONE"]',
            attribute="health_check",
        )
    for name, text in options.items():
        check.update([_option(name, text)])
    return {**given, "health_check": check}


def _option(name: str, text: str) -> tuple[str, int]:
    from hermes.image.edit import MOST_RETRIES, nanoseconds
    from hermes.sizes import whole_number

    if name == "retries":
        retries = whole_number(text, MOST_RETRIES)
        if not retries:
            raise EvalError(f"invalid number of retries {show(text)}", attribute="health_check_options")
        return "Retries", retries
    if name not in _TIMES:
        raise EvalError(
            f"{show(name)} is not an option of a health check",
            f"there are {', '.join(sorted([*_TIMES, 'retries']))}",
            attribute="health_check_options",
        )
    try:
        return _TIMES[name], nanoseconds(text)
    except UsageError as error:
        raise EvalError(f"{name}: {error.message}", error.hint, attribute="health_check_options") from None

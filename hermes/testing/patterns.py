"""Regular expressions in the syntax of Go's ``regexp``, which is that of RE2; see https://github.com/google/re2/wiki/Syntax."""

from __future__ import annotations

import codecs
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_BYTES: Final = "hermes-go-bytes"
_GONE: Final = "\ufffd"


def problem_of(pattern: str) -> str:
    """Return what is wrong with a pattern, or an empty string."""
    import re2

    try:
        _compiled(pattern)
    except re2.error as error:
        said = error.args[0] if error.args else "it cannot be parsed"
        return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return ""


def found(pattern: str, text: str) -> bool:
    """Tell whether a pattern matches anywhere in a text, as ``MatchString`` does. The pattern has no `problem_of`."""
    return _compiled(pattern).search(text) is not None


def text_of(data: bytes) -> str:
    """Return bytes as Go's regular expressions see them: each that is not part of UTF-8 is U+FFFD."""
    _register()
    return data.decode("utf-8", _BYTES)


@cache
def _register() -> None:
    def replaced(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        return _GONE * (error.end - error.start), error.end

    codecs.register_error(_BYTES, replaced)


@cache
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    compile_: Callable[..., Any] = re2.compile
    return compile_(pattern, options)

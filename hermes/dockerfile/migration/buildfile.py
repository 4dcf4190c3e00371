"""The text of a BUILD file, in the form that buildifier gives it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_WIDTH: Final = 100
_INDENT: Final = "    "


@dataclass(frozen=True, slots=True)
class Call:
    """A call that stands as a value: ``glob(["**"])``. ``named`` are its arguments with a name."""

    function: str
    arguments: tuple[Any, ...] = ()
    named: tuple[tuple[str, Any], ...] = ()


@dataclass(slots=True)
class Target:
    """A target and the lines of comment above it. An attribute that is None, empty or False is left out."""

    rule: str
    name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f":{self.name}"


def build_file(head: Sequence[str], targets: Sequence[Target]) -> str:
    """Return a file with comments at its top."""
    parts = ["".join(f"{_comment(line)}\n" for line in head)] if head else []
    return "\n".join([*parts, *map(_shown, targets)])


def _shown(target: Target) -> str:
    rows = [*map(_comment, target.comments), f"{target.rule}(", f"{_INDENT}name = {_text(target.name)},"]
    given = {
        name: value for name, value in target.attributes.items() if value not in (None, "", False, [], {})
    }
    rows += [f"{_INDENT}{name} = {_value(given[name], 1)}," for name in sorted(given)]
    return "\n".join([*rows, ")", ""])


def _comment(line: str) -> str:
    return f"# {line}".rstrip()


def _value(value: Any, depth: int) -> str:
    short = _inline(value)
    if "\n" not in short and len(short) + len(_INDENT) * depth <= _WIDTH and _fits_a_line(value):
        return short
    if isinstance(value, Call):
        return f"{value.function}({_lines(_arguments(value, depth), depth)})"
    if isinstance(value, Mapping):
        rows = (f"{_text(key)}: {_value(one, depth + 1)}" for key, one in value.items())
        return f"{{{_lines(rows, depth)}}}"
    if isinstance(value, list | tuple):
        return f"[{_lines((_value(one, depth + 1) for one in value), depth)}]"
    return short


def _fits_a_line(value: Any) -> bool:
    """Tell whether a value may stand in one line: lists and dictionaries of one item, as buildifier leaves them."""
    return not isinstance(value, list | tuple | Mapping) or len(value) <= 1


def _arguments(call: Call, depth: int) -> Iterator[str]:
    yield from (_value(one, depth + 1) for one in call.arguments)
    yield from (f"{name} = {_value(one, depth + 1)}" for name, one in call.named)


def _lines(rows: Iterator[str], depth: int) -> str:
    inner = "".join(f"\n{_INDENT * (depth + 1)}{row}," for row in rows)
    return f"{inner}\n{_INDENT * depth}"


def _inline(value: Any) -> str:
    if isinstance(value, Call):
        named = [f"{name} = {_inline(one)}" for name, one in value.named]
        return f"{value.function}({', '.join([*map(_inline, value.arguments), *named])})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_text(key)}: {_inline(one)}' for key, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, str):
        return _text(value)
    return repr(value)


def _text(value: str) -> str:
    """Return a string literal; one of several lines is written as several."""
    if "\n" in value.rstrip("\n") and '"""' not in value and not value.endswith(('"', "\\")):
        body = value.replace("\\", "\\\\")
        if all(char == "\n" or char.isprintable() for char in body):
            return f'"""{body}"""' if not body.startswith('"') else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)

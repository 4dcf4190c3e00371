"""``--format`` with the templates of Go, as docker, podman and buildah take them: the part that scripts use.

That is fields (``.Config.Labels``), ``index``, ``json``, ``join``, ``len``, ``lower``, ``upper``, ``println``, ``eq`` and
``ne``, ``and``, ``or``, ``not``, pipelines, ``if``, ``range``, ``with``, variables and trimming (``{{-``). See Go's text/template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hermes.errors import UsageError

_ACTION: Final = re.compile(r"(?s)(\s*)\{\{(-(?=\s))?\s*(.*?)\s*((?<=\s)-)?\}\}(\s*)")
_WORD: Final = re.compile(
    r"""\s*("(?:\\.|[^"\\])*"|`[^`]*`|\(|\)|\||:=|,|\$\w*(?:\.[A-Za-z_]\w*)*|(?:\.[A-Za-z_]\w*)+|\.|-?\d+|[A-Za-z_]\w*)"""
)
_BLOCKS: Final = ("if", "range", "with")
_NO_VALUE: Final = "<no value>"


@dataclass(slots=True)
class _Block:
    """``{{if}}``, ``{{range}}``, ``{{with}}``, or the whole template: what is in it, and what is after ``{{else}}``."""

    keyword: str
    words: list[str]
    body: list[str | list[str] | _Block] = field(default_factory=list)
    otherwise: list[str | list[str] | _Block] = field(default_factory=list)
    has_else: bool = False

    @property
    def open(self) -> list[str | list[str] | _Block]:
        return self.otherwise if self.has_else else self.body


def rendered(template: str, value: Any) -> str:
    """Return what a template makes of JSON values; raises `UsageError` for a malformed one and for what is not there.

    ``json`` alone is all of the value, as docker and podman have it.
    """
    if template == "json":
        return json.dumps(value)
    template = template.replace("\\n", "\n").replace("\\t", "\t")
    try:
        return "".join(_run(_parsed(template).body, {"$": value}, value))
    except (_Problem, TypeError, KeyError, IndexError, ValueError) as error:
        raise UsageError(
            f"--format {template}: {error}", hint="write it as '{{.Config.Cmd}}' or '{{json .Config}}'"
        ) from None


class _Problem(Exception):
    """What is wrong with a template."""


def _parsed(template: str) -> _Block:
    whole = _Block("", [])
    stack = [whole]
    place = 0
    for found in _ACTION.finditer(template):
        before, trims_before, text, trims_after, after = found.groups()
        stack[-1].open.append(template[place : found.start()] + ("" if trims_before else before))
        place = found.end() if trims_after else found.end() - len(after)
        if text.startswith("/*"):
            continue
        words = _words(text)
        if words and words[0] in _BLOCKS:
            block = _Block(words[0], words[1:])
            stack[-1].open.append(block)
            stack.append(block)
        elif words == ["end"] or words[:1] == ["else"]:
            if len(stack) == 1:
                raise _Problem(f"{text} stands outside of if, range and with")
            if words == ["end"]:
                stack.pop()
            else:
                stack[-1].has_else = True
        else:
            stack[-1].open.append(words)
    if len(stack) > 1:
        raise _Problem(f"{stack[-1].keyword} has no end")
    rest = template[place:]
    if "{{" in rest:
        raise _Problem("{{ is not closed")
    whole.open.append(rest)
    return whole


def _words(text: str) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(text.rstrip()):
        match = _WORD.match(text, place)
        if match is None:
            raise _Problem(f"unexpected {text[place:].strip()!r}")
        found.append(match[1])
        place = match.end()
    if not found:
        raise _Problem("{{}} is empty")
    return found


def _run(parts: Sequence[str | list[str] | _Block], names: dict[str, Any], dot: Any) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            if part[1:2] == [":="]:
                names[part[0]] = _value(part[2:], names, dot)
            else:
                yield _shown(_value(part, names, dot))
        else:
            yield from _block(part, names, dot)


def _block(block: _Block, names: dict[str, Any], dot: Any) -> Iterator[str]:
    variables: list[str] = []
    words = block.words
    if ":=" in words:
        at = words.index(":=")
        variables, words = [one for one in words[:at] if one != ","], words[at + 1 :]
    value = _value(words, names, dot)
    if not value:
        yield from _run(block.otherwise, dict(names), dot)
    elif block.keyword != "range":
        given = {**names, **dict.fromkeys(variables, value)}
        yield from _run(block.body, given, value if block.keyword == "with" else dot)
    else:
        pairs = sorted(value.items()) if isinstance(value, Mapping) else list(enumerate(value))
        for key, one in pairs:
            given = {
                **names,
                **dict(zip(variables[-2:], (key, one) if len(variables) > 1 else (one,), strict=False)),
            }
            yield from _run(block.body, given, one)


def _value(words: list[str], names: Mapping[str, Any], dot: Any) -> Any:
    """Return the value of a pipeline; each command's is the last argument of the next."""
    parser = _Pipeline(list(words), names, dot)
    found = parser.pipeline()
    if parser.words:
        raise _Problem(f"unexpected {parser.words[0]!r}")
    return found


@dataclass(slots=True)
class _Pipeline:
    words: list[str]
    names: Mapping[str, Any]
    dot: Any

    def pipeline(self) -> Any:
        found = self.command(())
        while self.words and self.words[0] == "|":
            self.words.pop(0)
            found = self.command((found,))
        return found

    def command(self, piped: tuple[Any, ...]) -> Any:
        if not self.words:
            raise _Problem("a command is missing")
        if self.words[0] in _FUNCTIONS:
            function = _FUNCTIONS[self.words.pop(0)]
            return function(*self.operands(), *piped)
        found = self.operands()
        if len(found) != 1 or piped:
            raise _Problem(f"{_shown(found[0]) if found else ')'} is not a function")
        return found[0]

    def operands(self) -> list[Any]:
        found = []
        while self.words and self.words[0] not in ("|", ")"):
            found.append(self.operand(self.words.pop(0)))
        return found

    def operand(self, word: str) -> Any:
        if word == "(":
            found = self.pipeline()
            if not self.words or self.words.pop(0) != ")":
                raise _Problem("a bracket is not closed")
            if self.words and self.words[0].startswith("."):
                return _field(found, self.words.pop(0))
            return found
        if word.startswith('"'):
            return json.loads(word)
        if word.startswith("`"):
            return word[1:-1]
        if word.lstrip("-").isdigit():
            return int(word)
        if word in ("true", "false", "nil"):
            return {"true": True, "false": False, "nil": None}[word]
        if word.startswith("$"):
            name, dot, path = word.partition(".")
            if name not in self.names:
                raise _Problem(f"undefined variable {name!r}")
            return _field(self.names[name], f".{path}") if dot else self.names[name]
        if word.startswith("."):
            return _field(self.dot, word)
        raise _Problem(f"function {word!r} is not defined")


def _field(value: Any, path: str) -> Any:
    for name in path.split(".")[1:]:
        if not name:
            continue
        if not isinstance(value, Mapping):
            raise _Problem(f"there is no field {path}")
        near = value if name in value else {one.lower(): value[one] for one in value}
        key = name if name in near else name.lower()
        if key not in near:
            raise _Problem(f"there is no field {path}; known: {', '.join(sorted(value)) or 'none'}")
        value = near[key]
    return value


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, "")
        elif value is None:
            value = ""
        else:
            value = value[key]
    return value


def _shown(value: Any) -> str:
    """Return a value as Go prints it with ``%v``."""
    if value is None:
        return _NO_VALUE
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{name}:{_shown(one)}' for name, one in sorted(value.items()))}]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{' '.join(map(_shown, value))}]"
    return str(value)


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "and": lambda *values: next((one for one in values if not one), values[-1]),
    "eq": lambda first, *others: first in others,
    "index": _index,
    "join": lambda values, separator: separator.join(map(_shown, values or ())),
    "json": lambda value: json.dumps(value, sort_keys=True),
    "len": lambda value: len(value or ()),
    "lower": lambda value: str(value).lower(),
    "ne": lambda first, other: first != other,
    "not": lambda value: not value,
    "or": lambda *values: next((one for one in values if one), values[-1]),
    "println": lambda *values: " ".join(map(_shown, values)) + "\n",
    "printf": lambda form, *values: re.sub(r"%[vsdq]", "{}", form).format(*map(_shown, values)),
    "split": lambda value, separator: str(value).split(separator),
    "title": lambda value: str(value).title(),
    "upper": lambda value: str(value).upper(),
}

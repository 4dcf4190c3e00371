"""A compose file -> values that know their places, with variables replaced.

Scalars are what YAML 1.2 and the parser of the peers make of them: ``yes`` is a text, ``010`` is 8. See the Compose
Specification, "Fragments" (anchors), "Merge" (``!reset``, ``!override``) and "Interpolation".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hermes.compose.variables import VariableError
from hermes.errors import ComposeError, SourceLocation

if TYPE_CHECKING:
    import yaml

Interpolate = Callable[[str, SourceLocation], str]
"""Replaces the variables in a text that stands at a place."""

NOWHERE: Final = SourceLocation("")
_MERGE: Final = "tag:yaml.org,2002:merge"
_BASES: Final = {"0x": 16, "0b": 2, "0o": 8}
_LEAST: Final = -(1 << 63)
_MOST: Final = (1 << 64) - 1
_EXPONENT: Final = 6
_MOST_NODES: Final = 100_000
"""How many values a file may have with all its aliases: what a hostile one would multiply."""
_DEEPEST: Final = 100

_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


class Reset(NamedTuple):
    """Stands for a value with ``!reset``: it takes away what files before it say."""


class Override(NamedTuple):
    """A value with ``!override``: it takes the place of what files before it say."""

    value: Any


@dataclass(slots=True)
class Mapping:
    """A mapping of YAML. ``places`` are those of its keys, ``place`` its own."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, SourceLocation] = field(default_factory=dict)
    place: SourceLocation = NOWHERE

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any, place: SourceLocation) -> None:
        self.values[key] = value
        self.places[key] = place

    def place_of(self, key: str) -> SourceLocation:
        return self.places.get(key, self.place)

    def items(self) -> Iterator[tuple[str, Any]]:
        return iter(list(self.values.items()))


def read(data: bytes, file: str, interpolate: Interpolate) -> list[Mapping]:
    """Return the documents of a compose file, of which each counts before those above it.

    Raises `ComposeError` with the place.
    """
    import yaml

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ComposeError("the file is not UTF-8", location=SourceLocation(file, line)) from None
    lines = text.split("\n")
    try:
        documents = list(yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(file, lines, mark.line, mark.column) if mark else SourceLocation(file)
        raise ComposeError(f"this is not YAML: {error.problem or error.context}", location=place) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ComposeError(f"this is not YAML: {error}", location=SourceLocation(file)) from None
    except RecursionError:
        raise ComposeError("values are nested too deeply", location=SourceLocation(file)) from None
    found = []
    for one in documents:
        value = _Nodes(file, lines, interpolate).value(one, 0)
        if not isinstance(value, Mapping):
            place = _place(file, lines, one.start_mark.line, one.start_mark.column)
            raise ComposeError("a compose file is a mapping", location=place, hint="write services: ...")
        found.append(value)
    if not found:
        raise ComposeError("the file is empty", location=SourceLocation(file), hint="write services: ...")
    return found


def _place(file: str, lines: list[str], line: int, column: int) -> SourceLocation:
    return SourceLocation(file, line + 1, column + 1, lines[line] if line < len(lines) else "")


class _Nodes:
    """Makes values of the nodes of one file."""

    def __init__(self, file: str, lines: list[str], interpolate: Interpolate) -> None:
        self._file = file
        self._lines = lines
        self._interpolate = interpolate
        self._left = _MOST_NODES

    def value(self, node: yaml.Node, depth: int) -> Any:
        import yaml

        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            problem = "aliases make it too large" if self._left < 0 else "values are nested too deeply"
            raise ComposeError(problem, location=self._of(node))
        tag = node.tag
        if tag == "!reset":
            return Reset()
        found: Any
        if isinstance(node, yaml.MappingNode):
            found = self._mapping(node, depth)
        elif isinstance(node, yaml.SequenceNode):
            found = [self.value(one, depth + 1) for one in node.value]
        else:
            assert isinstance(node, yaml.ScalarNode), node
            found = self._scalar(node)
        return Override(found) if tag == "!override" else found

    def _of(self, node: yaml.Node) -> SourceLocation:
        return _place(self._file, self._lines, node.start_mark.line, node.start_mark.column)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> Mapping:
        found = Mapping(place=self._of(node))
        merged: list[Mapping] = []
        for key, below in node.value:
            place = self._of(key)
            if key.tag == _MERGE or (key.value == "<<" and not key.style):
                merged += self._merged(below, depth)
                continue
            name = key.value
            if not isinstance(name, str) or not (key.style or isinstance(plain(name), str)):
                raise ComposeError("a key is a text", location=place, hint="put it in quotes")
            if name in found:
                first = found.places[name]
                raise ComposeError(
                    f"the key {name!r} is there twice", location=place, hint=f"first at {first}"
                )
            found.set(name, self.value(below, depth + 1), place)
        for one in merged:
            for name, value in one.items():
                if name not in found:
                    found.set(name, value, one.place_of(name))
        return found

    def _merged(self, node: yaml.Node, depth: int) -> list[Mapping]:
        value = self.value(node, depth + 1)
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(one, Mapping) for one in found):
            raise ComposeError("<< takes a mapping, or a list of mappings", location=self._of(node))
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = str(node.value)
        if "$" not in text:
            return text if node.style else plain(text)
        place = self._of(node)
        try:
            return self._interpolate(text, place)
        except VariableError as error:
            raise ComposeError(error.message, location=place, hint=error.hint) from None


def plain(text: str) -> Any:
    """Return what a scalar without quotes means."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _integer(text: str) -> Any:
    """Return a number; what no 64 bits hold is a float if it is decimal, and else a text."""
    digits = text.replace("_", "")
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits.removeprefix("+"))
    base = _BASES.get(digits[:2].lower())
    if base is not None:
        digits = digits[2:]
    elif digits.startswith("0") and set(digits) <= set("01234567"):
        base = 8
    try:
        found = int(sign + digits, base or 10)
    except ValueError:
        return text
    if _LEAST <= found <= _MOST:
        return found
    return text if base else float(sign + digits)


def shown(value: Any) -> str:
    """Return a scalar as a text, as the peers write it: 1.10 is ``1.1``, true ``true``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _shown_float(value)
    return str(value)


def _shown_float(value: float) -> str:
    """Return the shortest text that means the number, with an exponent below 1e-4 and from 1e6 on (Go's 'g')."""
    digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    power = int(exponent)
    if -5 < power < _EXPONENT:
        return str(int(value)) if value == int(value) else f"{Decimal(repr(value)):f}"
    return f"{digits}e{power:+03d}"

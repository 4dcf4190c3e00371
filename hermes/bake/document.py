"""Bake files -> their blocks: HCL is parsed, and JSON brought into the same form. Later files count before earlier ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from hermes.bake.hcl import Block, Expression, Names, Source, parse, template
from hermes.errors import BakeError, SourceLocation, UsageError

_KINDS: Final = ("variable", "function", "group", "target")


@dataclass(frozen=True, slots=True)
class Literal:
    """A value of a JSON file, whose texts are templates."""

    data: Any
    source: Source
    place: SourceLocation

    def value(self, names: Names) -> Any:
        """Raises `BakeError`."""
        return self._of(self.data, names)

    def _of(self, data: Any, names: Names) -> Any:
        if isinstance(data, str):
            return (
                template(data, self.source, self.place).value(names) if "${" in data or "%{" in data else data
            )
        if isinstance(data, list):
            return [self._of(one, names) for one in data]
        if isinstance(data, dict):
            return {key: self._of(one, names) for key, one in data.items()}
        return data


Value = Expression | Literal
"""What an attribute comes to when it is asked for."""


@dataclass(slots=True)
class Entry:
    """A variable, function, group or target: its attributes, and where each file declares it."""

    name: str
    attributes: dict[str, Value]
    place: SourceLocation


@dataclass(slots=True)
class Document:
    """All files together: entries by name, and the attributes outside of blocks, which are variables too."""

    variables: dict[str, Entry] = field(default_factory=dict)
    functions: dict[str, Entry] = field(default_factory=dict)
    groups: dict[str, Entry] = field(default_factory=dict)
    targets: dict[str, list[Entry]] = field(default_factory=dict)
    constants: dict[str, Value] = field(default_factory=dict)

    def take(self, block: Block, file: str) -> None:
        """Take over what a file says; raises `BakeError`."""
        self.constants.update(block.attributes)
        for one in block.blocks:
            if one.kind not in _KINDS:
                raise BakeError(
                    f"unknown block {one.kind!r}", location=one.place, hint=f"there are {', '.join(_KINDS)}"
                )
            if len(one.labels) != 1:
                raise BakeError(
                    f"a {one.kind} has one name", location=one.place, hint=f'{one.kind} "NAME" {{ ... }}'
                )
            self.add(one.kind, Entry(one.labels[0], dict(one.attributes), one.place))

    def add(self, kind: str, entry: Entry) -> None:
        if kind == "target":
            self.targets.setdefault(entry.name, []).append(entry)
            return
        table = {"variable": self.variables, "function": self.functions, "group": self.groups}[kind]
        before = table.get(entry.name)
        attributes = {**before.attributes, **entry.attributes} if before else entry.attributes
        table[entry.name] = Entry(entry.name, attributes, entry.place)


def read(files: Iterator[tuple[str, str]]) -> Document:
    """Return what files say, given by name and path; raises `BakeError`, and `UsageError` where one cannot be read."""
    found = Document()
    for name, path in files:
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except OSError as error:
            raise UsageError(f"{name}: {error.strerror}", hint="name a bake file") from None
        except UnicodeDecodeError:
            raise BakeError("the file is not UTF-8", location=SourceLocation(name)) from None
        if path.endswith(".json") or (not path.endswith(".hcl") and text.lstrip().startswith("{")):
            _take_json(found, text, name)
        else:
            found.take(parse(text, name), name)
    return found


def _take_json(document: Document, text: str, file: str) -> None:
    source = Source(file, tuple(text.split("\n")))
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        place = SourceLocation(file, error.lineno, error.colno, source.lines[error.lineno - 1])
        raise BakeError(f"this is not JSON: {error.msg}", location=place) from None
    except RecursionError:
        raise BakeError("values are nested too deeply", location=SourceLocation(file)) from None
    if not isinstance(data, dict):
        raise BakeError("a bake file is an object", location=SourceLocation(file, 1))
    for kind, value in data.items():
        place = _found(source, kind)
        if kind not in _KINDS:
            document.constants[kind] = Literal(value, source, place)
            continue
        if not isinstance(value, dict):
            raise BakeError(f"{kind} is an object of names", location=place)
        for name, one in value.items():
            where = _found(source, name)
            rows = one if isinstance(one, list) else [one]
            for row in rows:
                if not isinstance(row, dict):
                    raise BakeError(f"the {kind} {name} is an object", location=where)
                attributes: dict[str, Value] = {
                    key: Literal(item, source, where) for key, item in row.items()
                }
                document.add(kind, Entry(name, attributes, where))


def _found(source: Source, key: str) -> SourceLocation:
    """Return where a key of a JSON file probably is."""
    quoted = json.dumps(key)
    for number, line in enumerate(source.lines, 1):
        if (column := line.find(quoted)) >= 0:
            return SourceLocation(source.file, number, column + 1, line)
    return SourceLocation(source.file, 1)

"""Bake files -> the targets that they describe, with variables, matrices, inheritance and overrides applied.

See the "Bake file reference" of docker buildx.
"""

from __future__ import annotations

import difflib
import fnmatch
import itertools
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hermes.bake.document import Document, Entry, Value, read
from hermes.bake.functions import FUNCTIONS, FunctionError, call
from hermes.bake.hcl import Within, kind_of, shown
from hermes.errors import BakeError, SourceLocation, UsageError

DEFAULT: Final = "default"
_MAPPINGS: Final = frozenset({"args", "contexts", "extra-hosts", "labels"})
_ADDED: Final = frozenset(
    {"annotations", "attest", "cache-from", "entitlements", "no-cache-filter", "secret", "ssh", "ulimits"}
)
_LISTS: Final = _ADDED | {"cache-to", "output", "platforms", "tags", "inherits"}
_FLAGS: Final = frozenset({"no-cache", "pull"})
_TEXTS: Final = frozenset(
    {
        "call",
        "context",
        "description",
        "dockerfile",
        "dockerfile-inline",
        "name",
        "network",
        "shm-size",
        "target",
    }
)
_KNOWN: Final = _MAPPINGS | _LISTS | _FLAGS | _TEXTS | {"matrix"}
_SET_NAMES: Final = {"platform": "platforms", "secrets": "secret"}


@dataclass(slots=True)
class Target:
    """A target with all that it says and inherits: attributes by the names that bake files give them."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    place: SourceLocation = field(default_factory=lambda: SourceLocation(""))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says: files in their order, and overrides, ``PATTERN.KEY=VALUE``."""

    files: Sequence[str]
    overrides: Sequence[str] = ()


class Project:
    """The targets and groups of bake files; ``say`` is told of warnings. Raises `BakeError` and `UsageError`."""

    def __init__(self, asked: Asked, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._say = say
        self._environment = environment
        self._document = read((_short(one), os.path.abspath(one)) for one in asked.files)
        self._names = _Names(self._document, environment)
        self._groups: dict[str, list[str]] = {}
        self._raw: dict[str, list[tuple[Entry, Mapping[str, Any]]]] = {}
        self._overrides = [_Override.parse(one, environment) for one in asked.overrides]
        self._expand()
        self._check_overrides()

    def chosen(self, names: Sequence[str]) -> dict[str, Target]:
        """Return the targets that names mean, those of groups among them, by name, and those whose images they use."""
        wanted = list(dict.fromkeys(one for name in names or [DEFAULT] for one in self._members(name, ())))
        found: dict[str, Target] = {}
        while wanted:
            name = wanted.pop(0)
            if name in found:
                continue
            target = found[name] = self._overridden(self._resolved(name, ()))
            context = target.values.get("context")
            if context and "://" not in context and not context.startswith("git@"):
                target.values["context"] = posixpath.normpath(context)  # as buildx prints it
            contexts = target.values.get("contexts") or {}
            wanted += [one.removeprefix("target:") for one in contexts.values() if one.startswith("target:")]
        return found

    def order(self, names: Sequence[str]) -> list[str]:
        """Return the names of the targets that names mean."""
        return list(dict.fromkeys(one for name in names or [DEFAULT] for one in self._members(name, ())))

    # Groups and matrices.

    def _expand(self) -> None:
        for name, entries in self._document.targets.items():
            matrix = self._matrix(entries)
            if not matrix:
                self._raw[name] = [(one, {}) for one in entries]
                continue
            members = []
            for row in itertools.product(*matrix.values()):
                values = dict(zip(matrix, row, strict=True))
                own = self._name_of(name, entries, values)
                if own in self._raw or own in self._document.targets:
                    raise BakeError(
                        f"two targets are called {own}",
                        location=entries[-1].place,
                        hint="use all of matrix in name",
                    )
                self._raw[own] = [(one, values) for one in entries]
                members.append(own)
            self._groups[name] = members
        for name, entry in self._document.groups.items():
            targets = self._list(entry.attributes.get("targets"), f"targets of the group {name}", {})
            self._groups[name] = [*(targets or ()), *self._groups.get(name, [])]

    def _matrix(self, entries: Sequence[Entry]) -> dict[str, list[Any]]:
        for entry in reversed(entries):
            if (said := entry.attributes.get("matrix")) is not None:
                value = said.value(self._names)
                if not isinstance(value, dict) or not all(isinstance(one, list) for one in value.values()):
                    raise BakeError("matrix is an object of lists", location=said.place)
                return value
        return {}

    def _name_of(self, name: str, entries: Sequence[Entry], values: Mapping[str, Any]) -> str:
        for entry in reversed(entries):
            if (said := entry.attributes.get("name")) is not None:
                return shown(said.value(Within(self._names, values)))
        raise BakeError(
            f"the target {name} has a matrix and no name",
            location=entries[-1].place,
            hint='name = "app-${x}"',
        )

    def _members(self, name: str, chain: tuple[str, ...]) -> Iterator[str]:
        if name in chain:
            raise UsageError(f"groups contain each other: {' -> '.join([*chain[chain.index(name) :], name])}")
        if name in self._groups:
            for one in self._groups[name]:
                if one == name and one in self._raw:
                    yield one
                else:
                    yield from self._members(one, (*chain, name))
        elif name in self._raw:
            yield name
        else:
            known = [*self._groups, *self._raw]
            near = difflib.get_close_matches(name, known, 1)
            listed = f"there are {', '.join(known)}" if known else "the files declare none"
            what = (
                "no target or group is named, and there is no default"
                if name == DEFAULT
                else f"there is no target {name}"
            )
            raise UsageError(what, hint=f"did you mean {near[0]}?" if near and name != DEFAULT else listed)

    # Targets.

    def _resolved(self, name: str, chain: tuple[str, ...]) -> Target:
        """Return a target over those that it inherits from; raises `BakeError`."""
        entries = self._raw[name]
        place = entries[-1][0].place
        if name in chain:
            raise BakeError(
                f"inheritance cycle of targets: {' -> '.join([*chain[chain.index(name) :], name])}",
                location=place,
                hint="take one of them out of inherits",
            )
        found = Target(name, {}, place)
        own = Target(name, {}, place)
        for entry, values in entries:
            self._take(own, entry, values)
        for base in own.values.pop("inherits", ()):
            if base not in self._raw:
                near = difflib.get_close_matches(base, self._raw, 1)
                raise BakeError(
                    f"the target {name} inherits from {base}, which is not there",
                    location=place,
                    hint=f"did you mean {near[0]}?" if near else None,
                )
            _merge(found.values, self._resolved(base, (*chain, name)).values)
        _merge(found.values, own.values)
        return found

    def _take(self, target: Target, entry: Entry, values: Mapping[str, Any]) -> None:
        given: dict[str, Any] = {}
        for key, said in entry.attributes.items():
            if key not in _KNOWN:
                near = difflib.get_close_matches(key, _KNOWN, 1)
                meant = f"; did you mean {near[0]}?" if near else ""
                self._say(f"warning: {said.place}: nothing reads the attribute {key}{meant}")
                continue
            if key in ("matrix", "name"):
                continue
            value = self._checked(key, said, values)
            if value is not None:
                given[key] = value
        _merge(target.values, given)

    def _checked(self, key: str, said: Value, values: Mapping[str, Any]) -> Any:
        what = f"{key}"
        if key in _LISTS:
            return self._list(said, what, values)
        value = said.value(Within(self._names, values))
        if value is None:
            return None
        if key in _MAPPINGS:
            if not isinstance(value, dict) or any(isinstance(one, list | dict) for one in value.values()):
                raise BakeError(f"{key} is an object of texts", location=said.place)
            return {name: shown(one) for name, one in value.items() if one is not None}
        if key in _FLAGS:
            if value not in (True, False, "true", "false"):
                raise BakeError(f"{key} is true or false, not {kind_of(value)}", location=said.place)
            return value in (True, "true")
        if isinstance(value, list | dict):
            raise BakeError(f"{key} is a text, not {kind_of(value)}", location=said.place)
        return shown(value)

    def _list(self, said: Value | None, what: str, values: Mapping[str, Any]) -> list[str] | None:
        value = said.value(Within(self._names, values)) if said is not None else []
        if value is None:
            return None
        if not isinstance(value, list):
            raise BakeError(f"{what} is a list, not {kind_of(value)}", location=said.place if said else None)
        return [_entry(one) for one in value if one is not None and one != ""]

    # Overrides.

    def _check_overrides(self) -> None:
        for one in self._overrides:
            if not any(fnmatch.fnmatchcase(name, one.pattern) for name in self._raw):
                near = difflib.get_close_matches(one.pattern, self._raw, 1)
                raise UsageError(
                    f"--set {one.text}: no target is called {one.pattern}",
                    hint=f"did you mean {near[0]}?" if near else f"there are {', '.join(self._raw)}",
                )

    def _overridden(self, target: Target) -> Target:
        replaced: set[str] = set()
        for one in self._overrides:
            if fnmatch.fnmatchcase(target.name, one.pattern):
                one.apply(target.values, replaced)
        return target


class _Names:
    """Variables and functions of the files, each evaluated once when it is needed."""

    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._document = document
        self._environment = environment
        self._known: dict[str, Any] = {"BAKE_CMD_CONTEXT": "", "BAKE_LOCAL_PLATFORM": _local_platform()}
        self._open: list[str] = []

    def variable(self, name: str, place: SourceLocation) -> Any:
        if name in self._known:
            return self._known[name]
        if name in self._open:
            chain = " -> ".join([*self._open[self._open.index(name) :], name])
            raise BakeError(f"variables refer to each other: {chain}", location=place)
        self._open.append(name)
        try:
            found = self._known[name] = self._value(name, place)
        finally:
            self._open.pop()
        return found

    def _value(self, name: str, place: SourceLocation) -> Any:
        entry = self._document.variables.get(name)
        if entry is not None:
            said = entry.attributes.get("default")
            default = said.value(self) if said is not None else None
            given = self._environment.get(name)
            return default if given is None else _typed(name, given, default)
        if (constant := self._document.constants.get(name)) is not None:
            given = self._environment.get(name)
            default = constant.value(self)
            return default if given is None else _typed(name, given, default)
        near = difflib.get_close_matches(name, [*self._document.variables, *self._document.constants], 1)
        hint = f"did you mean {near[0]}?" if near else f'declare it: variable "{name}" {{ default = "" }}'
        raise BakeError(f"there is no variable {name!r}", location=place, hint=hint)

    def call(self, name: str, arguments: Sequence[Any], place: SourceLocation) -> Any:
        own = self._document.functions.get(name)
        try:
            if own is not None:
                return self._own(own, arguments)
            return call(name, arguments)
        except KeyError:
            near = difflib.get_close_matches(name, [*self._document.functions, *FUNCTIONS], 1)
            hint = f"did you mean {near[0]}?" if near else None
            raise BakeError(f"there is no function {name!r}", location=place, hint=hint) from None
        except FunctionError as error:
            raise BakeError(str(error), location=place) from None

    def _own(self, function: Entry, arguments: Sequence[Any]) -> Any:
        said = function.attributes
        parameters = _identifiers(said.get("params"))
        named = said.get("variadic_params") or said.get("variadic_param")
        rest = _identifiers(named)
        if named is not None and len(rest) != 1:
            raise FunctionError(f"{function.name}(): variadic_params is one name")
        if len(arguments) < len(parameters) or (len(arguments) > len(parameters) and not rest):
            raise FunctionError(f"{function.name}() takes {len(parameters)} arguments, not {len(arguments)}")
        own = dict(zip(parameters, arguments, strict=False))
        if rest:
            own[rest[0]] = list(arguments[len(parameters) :])
        result = said.get("result")
        if result is None:
            raise FunctionError(f"{function.name}() has no result")
        return result.value(Within(self, own))


@dataclass(frozen=True, slots=True)
class _Override:
    """``--set PATTERN.KEY[.NAME]=VALUE``."""

    text: str
    pattern: str
    key: str
    name: str
    value: str | None

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> _Override:
        where, equals, value = text.partition("=")
        parts = where.split(".")
        key = _SET_NAMES.get(parts[1], parts[1]) if len(parts) > 1 else ""
        is_mapping = key in _MAPPINGS
        if key not in _KNOWN - {"matrix", "name", "inherits"} or (
            len(parts) < 3 if is_mapping else len(parts) != 2
        ):
            raise UsageError(
                f"--set {text}: expected TARGET.KEY=VALUE",
                hint="such as app.platform=linux/arm64, *.args.A=1",
            )
        name = ".".join(parts[2:])
        given = value if equals else environment.get(name) if key == "args" else None
        if not equals and key != "args":
            raise UsageError(f"--set {text} has no value", hint=f"--set {text}=VALUE")
        return cls(text, parts[0], key, name, given)

    def apply(self, values: dict[str, Any], replaced: set[str]) -> None:
        """Change the values of a target; the first of a list takes the place of what the files say."""
        if self.key in _MAPPINGS:
            if self.value is not None:
                values[self.key] = {**(values.get(self.key) or {}), self.name: self.value}
        elif self.key in _LISTS:
            before = values.get(self.key) or [] if self.key in replaced else []
            replaced.add(self.key)
            values[self.key] = [*before, *([self.value] if self.value else [])]
        elif self.key in _FLAGS:
            if self.value not in ("true", "false", "1", "0"):
                raise UsageError(f"--set {self.text}: expected true or false")
            values[self.key] = self.value in ("true", "1")
        else:
            values[self.key] = self.value


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Put the values of a target over those of another."""
    for key, value in above.items():
        if key in _MAPPINGS and key in below:
            below[key] = {**below[key], **value}
        elif key in _ADDED and key in below:
            below[key] = [*below[key], *(one for one in value if one not in below[key])]
        else:
            below[key] = value


def _entry(value: Any) -> str:
    """Return an element of a list; an object, such as ``{id = "x", src = "y"}``, is written as ``id=x,src=y``."""
    if isinstance(value, dict):
        return ",".join(f"{key}={shown(one)}" for key, one in value.items() if one is not None)
    return shown(value)


def _typed(name: str, text: str, default: Any) -> Any:
    """Return the value of a variable of the environment as the type that its default has; raises `BakeError`."""
    if isinstance(default, bool):
        if text.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise BakeError(f"the variable {name} is true or false, and the environment says {text!r}")
        return text.lower() in ("true", "1", "t")
    if isinstance(default, int | float):
        try:
            number = float(text)
        except ValueError:
            raise BakeError(f"the variable {name} is a number, and the environment says {text!r}") from None
        return int(number) if number.is_integer() else number
    if isinstance(default, list):
        return [one for one in text.split(",") if one]
    return text


def _identifiers(said: Value | None) -> list[str]:
    """Return the names in a list such as ``params = [a, b]``, or of texts in JSON."""
    if said is None:
        return []
    value = said.value(_Words())
    return [shown(one) for one in value] if isinstance(value, list) else [shown(value)]


class _Words:
    """Takes each name for itself."""

    def variable(self, name: str, place: SourceLocation) -> Any:
        return name

    def call(self, name: str, arguments: Sequence[Any], place: SourceLocation) -> Any:
        raise BakeError("a list of names has no calls", location=place)


def _local_platform() -> str:
    from hermes.image.platform import Platform

    return str(Platform.host())


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("../") else relative

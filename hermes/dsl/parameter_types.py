"""Types of what calls take: whether a value has one, and in words what does not.

An error speaks of the types that the author of a rule knows: a string, a list of files, an ImageInfo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hermes.dsl.dialect.values import Struct, described
from hermes.dsl.mounts import Mounted, SecretMount
from hermes.dsl.providers import (
    IMAGE_INFO,
    INDEX_INFO,
    Dependency,
    File,
    Info,
    LabelValue,
    Layer,
    Provider,
)


@dataclass(frozen=True, slots=True)
class Type:
    """What a parameter takes, in words, for one value and for several; ``accepts`` tells whether a value is one."""

    one: str
    many: str
    accepts: Callable[[Any], bool]

    def wrong(self, value: Any) -> str:
        """Return what a value that is not accepted is."""
        return described(value)


@dataclass(frozen=True, slots=True)
class _Listed(Type):
    item: Type

    def wrong(self, value: Any) -> str:
        if not _is_list(value):
            return described(value)
        number, found = next((number, one) for number, one in enumerate(value) if not self.item.accepts(one))
        return f"a list whose item {number} is {self.item.wrong(found)}"


@dataclass(frozen=True, slots=True)
class _Mapped(Type):
    keys: Type
    values: Type

    def wrong(self, value: Any) -> str:
        if not isinstance(value, Mapping):
            return described(value)
        for key, found in value.items():
            if not self.keys.accepts(key):
                return f"a dict with {self.keys.wrong(key)} as a key"
            if not self.values.accepts(found):
                return f"a dict with {self.values.wrong(found)} at {key!r}"
        return described(value)


@dataclass(frozen=True, slots=True)
class _Either(Type):
    types: tuple[Type, ...]

    def wrong(self, value: Any) -> str:
        """Return what is wrong in a list or dict, if it is to be one."""
        found = (one.wrong(value) for one in self.types)
        return next((text for text in found if text != described(value)), described(value))


@dataclass(frozen=True, slots=True)
class _Row(Type):
    items: tuple[Type, ...]
    more: int

    def wrong(self, value: Any) -> str:
        if not _is_list(value):
            return described(value)
        if not len(self.items) - self.more <= len(value) <= len(self.items):
            return f"a list of {len(value)}"
        pairs = enumerate(zip(self.items, value, strict=False))
        number, one = next((number, one) for number, (kind, one) in pairs if not kind.accepts(one))
        return f"a list whose item {number} is {described(one)}"


@dataclass(frozen=True, slots=True)
class _Record(Type):
    fields: Mapping[str, Type]
    needed: tuple[str, ...]

    def wrong(self, value: Any) -> str:
        if not isinstance(value, Mapping):
            return described(value)
        for name in self.needed:
            if name not in value:
                return f"a dict without {name!r}"
        for name, found in value.items():
            if name not in self.fields:
                return f"a dict with the key {name!r}"
            if not self.fields[name].accepts(found):
                return f"a dict with {self.fields[name].wrong(found)} at {name!r}"
        return described(value)


def _is_list(value: Any) -> bool:
    return type(value) is list or type(value) is tuple


def _exactly(kind: type, one: str, many: str) -> Type:
    return Type(one, many, lambda value: type(value) is kind)


def info_of(provider: Provider) -> Type:
    """The values that a provider makes."""

    def accepts(value: Any) -> bool:
        return type(value) is Info and value.provider is provider

    return Type(f"an {provider.name}", provider.name, accepts)


def list_of(item: Type) -> Type:
    """A list or tuple of any length."""
    accepts = item.accepts
    text = f"a list of {item.many}"
    return _Listed(
        text, f"lists of {item.many}", lambda value: _is_list(value) and all(map(accepts, value)), item
    )


def dict_of(keys: Type, values: Type) -> Type:
    """A dict with keys and values of one type each."""

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and all(map(keys.accepts, value))
            and all(map(values.accepts, value.values()))
        )

    return _Mapped(
        f"a dict from {keys.many} to {values.many}",
        f"dicts from {keys.many} to {values.many}",
        accepts,
        keys,
        values,
    )


def any_of(*types: Type) -> Type:
    """A value of one of several types."""
    return _Either(
        " or ".join(one.one for one in types),
        " or ".join(one.many for one in types),
        lambda value: any(one.accepts(value) for one in types),
        types,
    )


def row_of(names: str, *items: Type, more: int = 0) -> Type:
    """A list of a fixed length, of which the last ``more`` items may be left out."""

    def accepts(value: Any) -> bool:
        return (
            _is_list(value)
            and len(items) - more <= len(value) <= len(items)
            and all(kind.accepts(one) for kind, one in zip(items, value, strict=False))
        )

    return _Row(f"a list of {names}", f"lists of {names}", accepts, items, more)


def record_of(needed: Mapping[str, Type], optional: Mapping[str, Type]) -> Type:
    """A dict with some keys, each for values of one type."""
    fields = {**needed, **optional}

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, Mapping)
            and needed.keys() <= value.keys() <= fields.keys()
            and all(fields[name].accepts(one) for name, one in value.items())
        )

    names = ", ".join(f"`{name}`" for name in sorted(fields))
    return _Record(f"a dict with {names}", f"dicts with {names}", accepts, fields, tuple(needed))


def or_none(kind: Type) -> Type:
    """A value of a type, or None."""
    return any_of(kind, NONE)


def word_of(*words: str) -> Type:
    """One of some strings."""
    quoted = ", ".join(f'"{one}"' for one in words)
    return Type(f"one of {quoted}", quoted, lambda value: type(value) is str and value in words)


NONE: Final = _exactly(type(None), "None", "None")
STRING: Final = _exactly(str, "a string", "strings")
INT: Final = _exactly(int, "an int", "ints")
BOOL: Final = Type("True or False", "True or False", lambda value: type(value) is bool)
FILE: Final = _exactly(File, "a file", "files")
LAYER: Final = _exactly(Layer, "a layer", "layers")
TARGET: Final = _exactly(Dependency, "a target", "targets")
LABEL: Final = _exactly(LabelValue, "a label", "labels")
STRUCT: Final = Type("a struct", "structs", lambda value: isinstance(value, Struct))
ENTRIES: Final = Type(
    "entries",
    "entries (entry.files() and its like)",
    lambda value: getattr(type(value), "dsl_type", "") == "entries",
)
MOUNT: Final = Type("a mount", "mounts (bind, cache, tmpfs)", lambda value: isinstance(value, Mounted))
SECRET: Final = Type(
    "a secret", "secrets (names, or secret())", lambda value: type(value) in (str, SecretMount)
)
IMAGE: Final = info_of(IMAGE_INFO)
INDEX: Final = info_of(INDEX_INFO)

"""What targets provide as plain data that `marshal` takes, and back: how a later build knows it without the rules."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Callable, Mapping
from typing import Any, Final

from hermes.dsl.dialect.values import Depset, Struct
from hermes.dsl.providers import (
    DEFAULT_INFO,
    IMAGE_INFO,
    INDEX_INFO,
    LAYER_INFO,
    PUSH_INFO,
    TEST_INFO,
    Dependency,
    File,
    Info,
    LabelValue,
    Layer,
    Link,
    Provider,
)
from hermes.engine.action import Artifact, Output, Source
from hermes.graph.label import Label

ProviderName = tuple[str, str]
"""The label of the file that defines a provider (empty for those of the language), and its name there."""

_BUILTIN: Final[Mapping[str, Provider]] = {
    one.name: one for one in (DEFAULT_INFO, IMAGE_INFO, INDEX_INFO, LAYER_INFO, PUSH_INFO, TEST_INFO)
}
_VERSION: Final = 2
"""The version of `marshal`'s format that depends on values alone, not on which of them are one object."""


class NotPlain(Exception):
    """A value cannot be told by its content alone: a function, or a provider that no file gives a name."""


class PlainValues:
    """Makes values plain. ``name_of`` returns the name of a provider, or None."""

    def __init__(self, name_of: Callable[[Provider], ProviderName | None]) -> None:
        self._name_of = name_of
        self._depsets: dict[int, tuple[Depset, bytes]] = {}

    def of(self, target: Dependency) -> tuple[bytes, Any]:
        """Return the digest of what a target provides, and that as plain data.

        The data is None where it can only be made by the rule again: there is a depset in it, which may be shared by
        many. Raises `NotPlain`.
        """
        shared: list[None] = []
        plain = [self._plain(one, shared) for one in target.infos]
        return _digest(plain), None if shared else plain

    def _plain(self, value: Any, shared: list[None]) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is list:
            return "l", [self._plain(one, shared) for one in value]
        if kind is tuple:
            return "t", [self._plain(one, shared) for one in value]
        if kind is dict:
            return "m", [(self._plain(key, shared), self._plain(one, shared)) for key, one in value.items()]
        if kind is File:
            plain = "f", _artifact(value.artifact), _label(value.label), value.path
            return plain if value.link is None else (*plain, tuple(value.link))
        if kind is Layer:
            manifest = value.manifest and _artifact(value.manifest)
            return "y", _artifact(value.artifact), _label(value.label), manifest
        if kind is LabelValue:
            return "b", _label(value.label)
        if kind is Info:
            return "i", self._provider(value.provider), self._fields(value, shared)
        if kind is Struct:
            return "s", self._fields(value, shared)
        if kind is Depset:
            shared.append(None)
            return "d", self._depset(value)
        raise NotPlain(kind.__name__)

    def _fields(self, value: Struct, shared: list[None]) -> dict[str, Any]:
        return {name: self._plain(one, shared) for name, one in value.fields.items()}

    def _provider(self, provider: Provider) -> ProviderName:
        if _BUILTIN.get(provider.name) is provider:
            return "", provider.name
        name = self._name_of(provider)
        if name is None:
            raise NotPlain(provider.name)
        return name

    def _depset(self, value: Depset) -> bytes:
        pending = [value]
        while pending:
            one = pending[-1]
            missing = [below for below in one.transitive if id(below) not in self._depsets]
            if missing:
                pending.extend(missing)
                continue
            pending.pop()
            direct = [self._plain(item, []) for item in one.direct]
            below = [self._depsets[id(below)][1] for below in one.transitive]
            self._depsets[id(one)] = one, _digest((direct, below))
        return self._depsets[id(value)][1]


def _digest(plain: Any) -> bytes:
    return hashlib.blake2b(marshal.dumps(plain, _VERSION), digest_size=16).digest()


def dependency(label: Label, plain: Any, provider: Callable[[ProviderName], Provider]) -> Dependency:
    """Return a target as those that depend on it see it; ``plain`` is what `PlainValues.of` returned for it."""
    infos = {id(info.provider): info for info in (_value(one, provider) for one in plain)}
    default = infos.get(id(DEFAULT_INFO))
    return Dependency(LabelValue(label), infos, list(default.fields["files"] or ()) if default else [])


def _value(plain: Any, provider: Callable[[ProviderName], Provider]) -> Any:
    if type(plain) is not tuple:
        return plain
    kind = plain[0]
    if kind == "l":
        return [_value(one, provider) for one in plain[1]]
    if kind == "t":
        return tuple(_value(one, provider) for one in plain[1])
    if kind == "m":
        return {_value(key, provider): _value(one, provider) for key, one in plain[1]}
    if kind == "f":
        link = Link(*plain[4]) if len(plain) > 4 else None
        return File(_artifact_of(plain[1]), Label(*plain[2]), plain[3], link)
    if kind == "y":
        return Layer(_artifact_of(plain[1]), Label(*plain[2]), plain[3] and _artifact_of(plain[3]))
    if kind == "b":
        return LabelValue(Label(*plain[1]))
    fields = {name: _value(one, provider) for name, one in plain[-1].items()}
    if kind == "s":
        return Struct(fields)
    where, name = plain[1]
    return Info(_BUILTIN[name] if not where else provider(plain[1]), fields)


def _artifact(artifact: Artifact) -> tuple[str, ...]:
    return tuple(artifact)


def _artifact_of(plain: tuple[str, ...]) -> Artifact:
    return Source(plain[0]) if len(plain) == 1 else Output(*plain)


def _label(label: Label) -> tuple[str, str, str]:
    return label.repo, label.package, label.name

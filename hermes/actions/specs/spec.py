"""The form that all kinds of action share: parameters and roles as fields of a class, and as the engine's `Action`.

A spec is generic in what it reads: `Ref` when an action is declared, `Resolved` when it is executed. Its fields are

- parameters, in the key: canonical JSON under the field's name, without a ``_`` at its end (`LEFT_OUT`: only where
  it is not the default);
- parameters outside of the key (`UNKEYED`), which cannot change an output;
- what it reads (`role`, `roles`): one artifact, one or None, or a tuple. The order of roles is that of the fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import (
    Any,
    ClassVar,
    Final,
    Generic,
    NamedTuple,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from hermes.digest import Digest, canonical_json
from hermes.engine.action import Action, Artifact, Input
from hermes.engine.executor import Request
from hermes.engine.key import Resolved

I = TypeVar("I")  # noqa: E741 - what is read, as an input is called in the engine
S = TypeVar("S", bound="Spec[Any]")

_ROLE: Final = "role"
_MANY: Final = "many"
UNKEYED: Final[Mapping[str, Any]] = {"unkeyed": True}
"""Metadata of a field for a parameter that cannot change an output."""
MIXED: Final[Mapping[str, Any]] = {"mixed": True}
"""Metadata of a field with both parameters and what is read, which the class itself puts into both."""
LEFT_OUT: Final[Mapping[str, Any]] = {"left_out": True}
"""Metadata of a field for a parameter that is in the key only where it is not the default."""
_LEAVES: Final = frozenset({str, int, bool, type(None)})


class Ref(NamedTuple):
    """What an action is to read: an artifact, at ``path`` for the action. ``hint`` is as in `Input`."""

    artifact: Artifact
    path: str = ""
    hint: str = ""


def role(name: str) -> Mapping[str, Any]:
    """Return the metadata of a field of one thing that is read as ``name``, or None."""
    return {_ROLE: name}


def roles(name: str) -> Mapping[str, Any]:
    """Return the metadata of a field of any number of things that are read as ``name``, a tuple."""
    return {_ROLE: name, _MANY: True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Generic[I]):
    """What one action does. ``for_platform``: its outputs depend on the platform of the build."""

    kind: ClassVar[str]
    for_platform: ClassVar[bool] = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it makes."""
        raise NotImplementedError

    @property
    def codec_identity(self) -> str:
        """What compresses the bytes that it makes, if it makes compressed ones."""
        return ""

    def params(self) -> dict[str, Any]:
        """Return the parameters in the key, as JSON values."""
        found = {}
        for name, called, default in self._form().params:
            value = getattr(self, name)
            if default is MISSING or value != default:
                found[called] = plain(value)
        return found

    def unkeyed(self) -> dict[str, Any]:
        """Return the parameters outside of the key, as JSON values."""
        return {name: plain(getattr(self, name)) for name in self._form().unkeyed}

    def reads(self) -> Iterator[tuple[str, I]]:
        """Yield what is read with its role, in the order of the key."""
        for name, called in self._form().roles:
            value = getattr(self, name)
            if type(value) is tuple:
                for one in value:
                    yield called, one
            elif value is not None:
                yield called, value

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        """Return what has these parameters, both kinds of them, and reads these rows of role and input."""
        kind: Any = cls
        form, types = cls._form(), _types(kind)
        names = {called: name for name, called, _ in form.params}
        given = {
            (name := names.get(called, called)): built(types[name], one) for called, one in params.items()
        }
        for name, called in form.roles:
            found = tuple(one for other, one in rows if other == called)
            if name in form.many:
                given[name] = found
            elif found:
                (given[name],) = found
        return cls(**given)

    @classmethod
    def _form(cls) -> _Form:
        kind: Any = cls
        return _form(kind)


class _Form(NamedTuple):
    """The fields of a class: parameters with their names in JSON and the default that is left out, and roles."""

    params: tuple[tuple[str, str, Any], ...]
    unkeyed: tuple[str, ...]
    roles: tuple[tuple[str, str], ...]
    many: frozenset[str]


@cache
def _form(kind: Any) -> _Form:
    params, without, read, many = [], [], [], set()
    for one in fields(kind):
        if called := one.metadata.get(_ROLE):
            read.append((one.name, called))
            if one.metadata.get(_MANY):
                many.add(one.name)
        elif "mixed" in one.metadata:
            continue
        elif "unkeyed" in one.metadata:
            without.append(one.name)
        else:
            default = one.default if "left_out" in one.metadata else MISSING
            params.append((one.name, one.name.rstrip("_"), default))
    return _Form(tuple(params), tuple(without), tuple(read), frozenset(many))


@cache
def _types(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def declared(
    spec: Spec[Ref], *, name: str, owner: str, platform: str = "", timeout: int | None = None
) -> Action:
    """Return the action called ``name`` that does what ``spec`` says; ``platform`` is that of the build."""
    return Action(
        name,
        owner,
        spec.kind,
        _text(spec.params()),
        tuple(Input(called, one.path, one.artifact, one.hint) for called, one in spec.reads()),
        spec.outputs,
        unkeyed=_text(spec.unkeyed()),
        platform=platform if spec.for_platform else "",
        codec=spec.codec_identity,
        timeout=timeout,
    )


def of_action(kind: type[S], action: Action) -> S:
    """Return what a declared action does; ``kind`` is its class, of `Ref`."""
    return _decoded(
        kind, action, [(one.role, Ref(one.artifact, one.path, one.hint)) for one in action.inputs]
    )


def of_request(kind: type[S], request: Request) -> S:
    """Return what is to be executed; ``kind`` is its class, of `Resolved`."""
    return _decoded(kind, request.action, [(one.role, one) for one in request.inputs])


def _decoded(kind: type[S], action: Action, rows: Sequence[tuple[str, Ref | Resolved]]) -> S:
    assert action.kind == kind.kind, (action.kind, kind)
    params = {**json.loads(action.params), **json.loads(action.unkeyed)}
    found: S = (get_origin(kind) or kind).of(params, rows)
    return found


def _text(values: Mapping[str, Any]) -> str:
    return canonical_json(values).decode("utf-8", "surrogateescape")


def plain(value: Any) -> Any:
    """Return a value of a field as JSON values.

    What has a ``to_json`` says it itself; other dataclasses and tuples with names become objects.
    """
    kind = type(value)
    if kind in _LEAVES:
        return value
    if kind is tuple or kind is list:
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, str):
        return str(value)
    if hasattr(kind, "to_json"):
        return value.to_json()
    if isinstance(value, tuple):
        return {name: plain(one) for name, one in zip(kind._fields, value, strict=True)}
    return {one.name: plain(getattr(value, one.name)) for one in fields(value)}


def built(hint: Any, value: Any) -> Any:
    """Return the value of a type that `plain` gave."""
    origin = get_origin(hint)
    if origin is Union or origin is UnionType:
        members = [one for one in get_args(hint) if one is not type(None)]
        return built(members[0], value) if value is not None and len(members) == 1 else value
    if origin is tuple:
        first, *more = get_args(hint)
        if more == [...]:
            return tuple(built(first, one) for one in value)
        return tuple(built(one, item) for one, item in zip((first, *more), value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {name: built(get_args(hint)[1], one) for name, one in value.items()}
    if not isinstance(hint, type):
        return value
    if hasattr(hint, "from_json"):
        return hint.from_json(value)
    if hasattr(hint, "_fields") or is_dataclass(hint):
        types = _types(hint)
        return hint(**{name: built(types[name], one) for name, one in value.items()})
    return hint(value) if issubclass(hint, Enum | Digest) else value

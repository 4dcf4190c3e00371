"""The form that all kinds of action share: parameters and roles as fields of a class, and as the engine's `Action`.

A spec is generic in what it reads: `Ref` when an action is declared, `Resolved` when it is executed. Its fields are

- parameters, in the key: canonical JSON under the field's name, without a ``_`` at its end. What has its default is left
  out, also within a parameter: a new field changes no key, and another default is another schema
  (`hermes.engine.key.SCHEMA`);
- parameters outside of the key (`unkeyed`), which cannot change an output;
- what it reads (`role`, `roles`): one artifact, one or None, or a tuple. The order of roles is that of the fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import (
    Any,
    ClassVar,
    Final,
    Generic,
    NamedTuple,
    Self,
    TypeVar,
    dataclass_transform,
    get_origin,
)

from hermes.digest import canonical_json
from hermes.engine.action import Action, Artifact, Input
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.plain_values import built, plain, types_of

I = TypeVar("I")  # noqa: E741 - what is read, as an input is called in the engine
S = TypeVar("S", bound="Spec[Any]")

NONE: Final[Mapping[str, Any]] = MappingProxyType({})
"""The default of a field that is a mapping."""


class Ref(NamedTuple):
    """What an action is to read: an artifact, at ``path`` for the action. ``hint`` is as in `Input`."""

    artifact: Artifact
    path: str = ""
    hint: str = ""


class _Field(NamedTuple):
    """One field of a class; see the functions that declare them. ``called`` is its name in JSON, or its role."""

    default: Any
    called: str = ""
    use: str = "keyed"


_REQUIRED: Final = object()


def role(name: str, *, default: Any = _REQUIRED) -> Any:
    """Declare a field of one thing that is read as ``name``; with a ``default`` of None it may be missing."""
    return _Field(default, name, "role")


def roles(name: str, *, default: Any) -> Any:
    """Declare a field of any number of things that are read as ``name``, a tuple."""
    return _Field(default, name, "roles")


def unkeyed(*, default: Any = _REQUIRED) -> Any:
    """Declare a field for a parameter that cannot change an output."""
    return _Field(default, use="unkeyed")


def mixed() -> Any:
    """Declare a field with both parameters and what is read, which the class itself puts into both."""
    return _Field(_REQUIRED, use="mixed")


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(role, roles, unkeyed, mixed)
)
class Spec(Generic[I]):
    """What one action does, as a frozen dataclass. ``for_platform``: its outputs depend on the build's platform.

    It is not a `dataclasses.dataclass`, because Python compiles six functions for each of those, half a millisecond for each
    kind, in builds that take a hundred.
    """

    kind: ClassVar[str]
    for_platform: ClassVar[bool] = False
    _fields: ClassVar[Mapping[str, _Field]] = NONE
    _needed: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        found = dict(cls._fields)
        for name, hint in vars(cls).get("__annotations__", {}).items():
            if not hint.startswith("ClassVar"):
                given = vars(cls).get(name, _REQUIRED)
                one = given if isinstance(given, _Field) else _Field(given)
                found[name] = one if one.called else one._replace(called=name.rstrip("_"))
                if one.default is not _REQUIRED:
                    setattr(cls, name, one.default)
                elif given is not _REQUIRED:
                    delattr(cls, name)
        cls._fields = found
        cls._needed = frozenset(name for name, one in found.items() if one.default is _REQUIRED)

    def __init__(self, **values: Any) -> None:
        if missing := self._needed - values.keys():
            raise TypeError(f"{type(self).__name__} lacks {', '.join(sorted(missing))}")
        if unknown := values.keys() - self._fields.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(
            getattr(self, name) == getattr(other, name) for name in self._fields
        )

    __hash__ = None  # type: ignore[assignment]  # there are mappings in it

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({values})"

    def replaced(self, **values: Any) -> Self:
        """Return the same with other values of some fields."""
        return type(self)(**{**self.__dict__, **values})

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
        for name, one in self._fields.items():
            if one.use == "keyed" and (value := getattr(self, name)) != one.default:
                found[one.called] = plain(value)
        return found

    def unkeyed(self) -> dict[str, Any]:
        """Return the parameters outside of the key, as JSON values."""
        return {
            one.called: plain(getattr(self, name))
            for name, one in self._fields.items()
            if one.use == "unkeyed"
        }

    def reads(self) -> Iterator[tuple[str, I]]:
        """Yield what is read with its role, in the order of the key."""
        for name, one in self._fields.items():
            if one.use == "roles":
                for item in getattr(self, name):
                    yield one.called, item
            elif one.use == "role" and (item := getattr(self, name)) is not None:
                yield one.called, item

    @classmethod
    def of(cls, params: Mapping[str, Any], rows: Sequence[tuple[str, I]]) -> Self:
        """Return what has these parameters, both kinds of them, and reads these rows of role and input."""
        kind: Any = cls
        types = types_of(kind)
        given: dict[str, Any] = {}
        for name, one in cls._fields.items():
            if one.use == "roles":
                given[name] = tuple(item for called, item in rows if called == one.called)
            elif one.use == "role":
                given.update((name, item) for called, item in rows if called == one.called)
            elif one.called in params:
                given[name] = built(types[name], params[one.called])
        return cls(**given)


def declared(
    spec: Spec[Ref],
    *,
    name: str,
    owner: str,
    platform: str = "",
    timeout: int | None = None,
    exclusive: bool = False,
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
        exclusive=exclusive,
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
    if not values:
        return "{}"
    return canonical_json(values).decode("utf-8", "surrogateescape")

"""``bind``, ``cache``, ``tmpfs`` and ``secret``: what a command sees besides its root."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from hermes.dsl.dialect.values import Builtin, EvalError, show, type_name
from hermes.dsl.providers import Dependency, File
from hermes.store.caches import NAME, Sharing

_SIZE: Final = re.compile(r"(\d{1,6})([KMGT]?)")
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_NAMES: Final = "letters, digits and . _ -"

Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Bind:
    """Files mounted read-only at ``path``: a label at first, then a target, or files that a rule names."""

    source: Any
    path: str

    dsl_type: ClassVar[str] = "bind"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    def of(self, source: Any) -> Bind:
        """Return the same mount of something else."""
        return replace(self, source=source)

    @property
    def files(self) -> File | Sequence[File]:
        """What is mounted: a file itself, or files below a folder."""
        source = self.source
        if type(source) is Dependency:
            if not source.files:
                raise EvalError(f"{source.label} gives no files", attribute="mounts")
            return source.files[0] if len(source.files) == 1 else source.files
        if type(source) is File:
            return source
        if type(source) in (list, tuple) and all(type(one) is File for one in source):
            found: Sequence[File] = source
            return found
        raise EvalError(f"bind() takes a label, a target or files, not {type_name(source)}")


@dataclass(frozen=True, slots=True)
class CacheMount:
    """A folder that commands keep between builds; ``params`` are as the action takes them."""

    params: Mapping[str, Any]

    dsl_type: ClassVar[str] = "cache"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """An empty folder in memory; ``params`` are as the action takes them."""

    params: Mapping[str, Any]

    dsl_type: ClassVar[str] = "tmpfs"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class SecretMount:
    """A secret and where it is mounted; ``params`` are as the action takes them."""

    params: Mapping[str, Any]

    dsl_type: ClassVar[str] = "secret"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()


Mounted = Bind | CacheMount | TmpfsMount


def mount_functions(check: Mapping[str, Check]) -> dict[str, Builtin]:
    """Return the functions by name; ``check`` maps kinds of attributes to what checks their values."""

    def bind(source: Any, path: Any) -> Bind:
        return Bind(source, check["path"](path))

    def cache(
        id: Any,  # noqa: A002 - the name that users know from elsewhere
        path: Any,
        sharing: Any = "shared",
        mode: Any = "0755",
        owner: Any = "0:0",
    ) -> CacheMount:
        if sharing not in tuple(Sharing):
            known = ", ".join(show(str(one)) for one in Sharing)
            raise EvalError(f"cache(): sharing is one of {known}, not {show(sharing)}")
        uid, gid = _ids(check["owner"](owner))
        return CacheMount(
            {
                "id": _name("cache", id),
                "target": check["path"](path),
                "sharing": str(sharing),
                "mode": check["mode"](mode),
                "uid": uid,
                "gid": gid,
            }
        )

    def tmpfs(path: Any, size: Any = 0, mode: Any = "1777") -> TmpfsMount:
        return TmpfsMount({"target": check["path"](path), "size": _size(size), "mode": check["mode"](mode)})

    def secret(id: Any, path: Any = None, mode: Any = "0400", owner: Any = None) -> SecretMount:  # noqa: A002
        uid, gid = (None, None) if owner is None else _ids(check["owner"](owner))
        return SecretMount(
            {
                "id": _name("secret", id),
                "target": "" if path is None else check["path"](path),
                "mode": check["mode"](mode),
                "uid": uid,
                "gid": gid,
            }
        )

    made: tuple[Callable[..., Any], ...] = (bind, cache, tmpfs, secret)
    return {one.__name__: Builtin(one.__name__, one) for one in made}


def as_secret(value: Any) -> SecretMount:
    """Return an item of ``secrets``; its name alone will do."""
    if type(value) is str:
        return SecretMount(
            {"id": _name("secret", value), "target": "", "mode": 0o400, "uid": None, "gid": None}
        )
    if type(value) is SecretMount:
        return value
    raise EvalError(f"must be a name or secret(...), not {type_name(value)}")


def as_mount(value: Any) -> Mounted:
    """Return an item of ``mounts``."""
    if isinstance(value, Mounted):
        return value
    raise EvalError(f"must be bind(...), cache(...) or tmpfs(...), not {type_name(value)}")


def binds(mounts: Sequence[Mounted]) -> Iterator[Bind]:
    """Yield the mounts of files."""
    return (one for one in mounts if isinstance(one, Bind))


def mount_params(secrets: Any, secret_version: Any, mounts: Any, subscriptions: Any) -> dict[str, Any]:
    """Return what an action says of its mounts: nothing of what it has none of."""
    if type(secret_version) is not str:
        raise EvalError(f"secret_version is a string, not {type_name(secret_version)}")
    found = {
        "caches": [dict(one.params) for one in mounts if type(one) is CacheMount],
        "secret_version": secret_version,
        "secrets": [dict(as_secret(one).params) for one in secrets],
        "subscriptions": list(subscriptions),
        "tmpfs": [dict(one.params) for one in mounts if type(one) is TmpfsMount],
    }
    for kind in ("caches", "secrets"):
        ids = [one["id"] for one in found[kind]]
        for one in ids:
            if ids.count(one) > 1:
                attribute = "mounts" if kind == "caches" else "secrets"
                raise EvalError(f"names {show(one)} twice", attribute=attribute)
    return {name: value for name, value in found.items() if value}


def _name(function: str, value: Any) -> str:
    if type(value) is not str or not NAME.fullmatch(value):
        raise EvalError(f"{function}(): {show(value)} cannot be its name", f"use {_NAMES}")
    return value


def _ids(owner: str) -> tuple[int, int]:
    uid, _, gid = owner.partition(":")
    return int(uid), int(gid)


def _size(value: Any) -> int:
    if type(value) is int and value >= 0:
        return value
    if type(value) is str and (match := _SIZE.fullmatch(value)) and int(match[1]):
        return int(match[1]) << _UNITS[match[2]]
    raise EvalError(f"tmpfs(): {show(value)} is no size", 'write "64M", or a number of bytes')

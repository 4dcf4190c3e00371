"""``bind``, ``cache``, ``tmpfs`` and ``secret``: what a command sees besides its root."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, NamedTuple

from hermes.container import mount_values
from hermes.container.mount_bounds import parse_size
from hermes.container.mount_syntax import VARIABLE
from hermes.container.mount_values import Cache, Tmpfs
from hermes.dsl.dialect.values import Builtin, EvalError, described, show
from hermes.dsl.providers import Dependency, File
from hermes.errors import UsageError
from hermes.store.caches import NAME, Sharing

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
        raise EvalError(f"bind() takes a label, a target or files, not {described(source)}")


@dataclass(frozen=True, slots=True)
class CacheMount:
    """A folder that commands keep between builds."""

    mount: Cache

    dsl_type: ClassVar[str] = "cache"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """An empty folder in memory."""

    mount: Tmpfs

    dsl_type: ClassVar[str] = "tmpfs"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class SecretMount:
    """A secret and where it is mounted."""

    mount: mount_values.SecretMount

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
        read_only: Any = False,
    ) -> CacheMount:
        if sharing not in tuple(Sharing):
            known = ", ".join(show(str(one)) for one in Sharing)
            raise EvalError(f"cache(): sharing is one of {known}, not {show(sharing)}")
        uid, gid = _ids(check["owner"](owner))
        if type(read_only) is not bool:
            raise EvalError(f"cache(): read_only is True or False, not {show(read_only)}")
        name, target, rights = _name("cache", id), check["path"](path), check["mode"](mode)
        return CacheMount(Cache(name, target, Sharing(sharing), rights, uid, gid, read_only))

    def tmpfs(path: Any, size: Any = 0, mode: Any = "1777") -> TmpfsMount:
        return TmpfsMount(Tmpfs(check["path"](path), _size(size), check["mode"](mode)))

    def secret(
        id: Any,  # noqa: A002
        path: Any = None,
        mode: Any = "0400",
        owner: Any = None,
        env: Any = "",
    ) -> SecretMount:
        uid, gid = (None, None) if owner is None else _ids(check["owner"](owner))
        target = "" if path is None else check["path"](path)
        made = mount_values.SecretMount(
            id=_name("secret", id),
            target=target,
            mode=check["mode"](mode),
            uid=uid,
            gid=gid,
            env=_variable(env),
        )
        return SecretMount(made)

    made: tuple[Callable[..., Any], ...] = (bind, cache, tmpfs, secret)
    return {one.__name__: Builtin(one.__name__, one) for one in made}


def _variable(name: Any) -> str:
    if type(name) is not str or not VARIABLE.fullmatch(name or "_"):
        raise EvalError(f"secret(): env is the name of a variable, not {show(name)}")
    return name


def as_secret(value: Any) -> SecretMount:
    """Return an item of ``secrets``; its name alone will do."""
    if type(value) is str:
        return SecretMount(mount_values.SecretMount(id=_name("secret", value)))
    if type(value) is SecretMount:
        return value
    raise EvalError(f"must be a name or secret(...), not {described(value)}")


def as_mount(value: Any) -> Mounted:
    """Return an item of ``mounts``."""
    if isinstance(value, Mounted):
        return value
    raise EvalError(f"must be bind(...), cache(...) or tmpfs(...), not {described(value)}")


def binds(mounts: Sequence[Mounted]) -> Iterator[Bind]:
    """Yield the mounts of files."""
    return (one for one in mounts if isinstance(one, Bind))


class Mounts(NamedTuple):
    """What an action says of its mounts, but for files."""

    caches: tuple[Cache, ...]
    tmpfs: tuple[Tmpfs, ...]
    secrets: tuple[mount_values.SecretMount, ...]
    secret_version: str


def mounts_of(secrets: Any, secret_version: Any, mounts: Sequence[Mounted]) -> Mounts:
    """Return the mounts of an action; raises `EvalError` when one is named twice."""
    if type(secret_version) is not str:
        raise EvalError(f"secret_version is a string, not {described(secret_version)}")
    found = Mounts(
        tuple(one.mount for one in mounts if type(one) is CacheMount),
        tuple(one.mount for one in mounts if type(one) is TmpfsMount),
        tuple(as_secret(one).mount for one in secrets),
        secret_version,
    )
    _check_unique([one.id for one in found.caches], "mounts")
    _check_unique([one.id for one in found.secrets], "secrets")
    return found


def _check_unique(ids: Sequence[str], attribute: str) -> None:
    for one in ids:
        if ids.count(one) > 1:
            raise EvalError(f"names {show(one)} twice", attribute=attribute)


def _name(function: str, value: Any) -> str:
    if type(value) is not str or not NAME.fullmatch(value):
        raise EvalError(f"{function}(): {show(value)} cannot be its name", f"use {_NAMES}")
    return value


def _ids(owner: str) -> tuple[int, int]:
    uid, _, gid = owner.partition(":")
    return int(uid), int(gid)


def _size(value: Any) -> int:
    try:
        if type(value) is str or (type(value) is int and value >= 0):
            return parse_size(str(value))
    except UsageError:
        pass
    raise EvalError(f"tmpfs(): invalid size {show(value)}", 'write "64M", or a number of bytes')

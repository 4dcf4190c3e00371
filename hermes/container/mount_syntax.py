"""The one syntax of mounts: ``type=cache,target=/root/.cache,sharing=locked``, in every place that takes mounts.

``RUN --mount``, ``--mount`` and ``--tmpfs`` of the command line and the mounts of BUILD files mean the same by it, and have
the same bounds. See the Dockerfile reference, "RUN --mount"; ``docker run --mount``; RFC 4180 for the quotes.
"""

from __future__ import annotations

import csv
import hashlib
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from hermes.container.mount_bounds import parse_id, parse_mode, parse_size
from hermes.container.mount_values import AgentMount, Cache, SecretMount, Tmpfs
from hermes.errors import UsageError
from hermes.store.caches import NAME, Sharing

BIND: Final = "bind"
CACHE: Final = "cache"
SECRET: Final = "secret"  # noqa: S105 - a type of mount
TMPFS: Final = "tmpfs"
SSH: Final = "ssh"

_PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    BIND: ("from", "ro", "rw", "source", "target"),
    CACHE: ("from", "gid", "id", "mode", "ro", "rw", "sharing", "source", "target", "uid"),
    SECRET: ("env", "gid", "id", "mode", "required", "source", "target", "uid"),
    TMPFS: ("mode", "ro", "rw", "size", "target"),
    SSH: ("gid", "id", "mode", "required", "target", "uid"),
}
_ALIASES: Final = {
    "dst": "target",
    "destination": "target",
    "src": "source",
    "readonly": "ro",
    "readwrite": "rw",
    "tmpfs-size": "size",
    "tmpfs-mode": "mode",
}
_FLAGS: Final = ("ro", "rw", "required")
_AT_WORKDIR: Final = (BIND, CACHE, TMPFS)
"""The types whose target is the working directory, where there is one, unless they say another."""
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED: Final = re.compile(r'[",\r\n]')


class Bind(NamedTuple):
    """A file or folder that is there already: ``source`` in what ``origin`` names, or of this machine.

    ``origin`` is None where nothing is said of it, and ``writable`` too, whose default is not the same for all.
    """

    target: str
    source: str = ""
    origin: str | None = None
    writable: bool | None = None


class SeededCache(NamedTuple):
    """A cache that begins with the folder ``source`` of what ``origin`` names."""

    cache: Cache
    origin: str
    source: str


class SecretUse(NamedTuple):
    """A secret; ``required`` is None where nothing is said of it. Ids that are None are not said either."""

    mount: SecretMount
    required: bool | None = None


class AgentUse(NamedTuple):
    """An SSH agent, at a path that is for the caller to choose where its target is empty."""

    mount: AgentMount
    required: bool | None = None


Mount = Bind | Cache | SeededCache | Tmpfs | SecretUse | AgentUse


class Dialect(NamedTuple):
    """What is not the same for all who write mounts.

    ``types`` are those that can be mounted. Relative targets are below ``workdir``, and an error where it is empty;
    where no target is given, it is ``workdir`` itself. ``seeds``: a cache may begin with files, and be a `SeededCache`.
    """

    types: tuple[str, ...] = (BIND, CACHE, SECRET, TMPFS, SSH)
    workdir: str = ""
    seeds: bool = False


def parse(text: str, dialect: Dialect) -> Mount:
    """Return what a mount is. Raises `UsageError`, which does not say which mount."""
    fields = _fields(text)
    kind = fields.pop("type", BIND).lower()
    if kind not in dialect.types:
        raise UsageError(f"unknown type {kind!r}", hint=f"there are {', '.join(dialect.types)}")
    for name in fields:
        if name not in _PROPERTIES[kind]:
            raise UsageError(
                f"a mount of type {kind} has no {name!r}", hint=f"it takes {', '.join(_PROPERTIES[kind])}"
            )
    given = fields.get("target", "")
    if not given and kind in _AT_WORKDIR:
        given = dialect.workdir
    target = _target(given, dialect.workdir)
    if not target and kind in _AT_WORKDIR:
        raise UsageError("the target is missing", hint="add target=PATH")
    if kind == CACHE and (fields.get("from") or fields.get("source")):
        return _seeded(fields, target, dialect)
    return _MAKERS[kind](fields, target)


def to_text(mount: Mount) -> str:
    """Return the text that `parse` reads as ``mount``."""
    fields: dict[str, str | int | None]
    match mount:
        case Bind():
            fields = {"type": BIND, "source": mount.source, "target": mount.target, "from": mount.origin}
            fields["rw"] = _flag_text(mount.writable)
        case Cache():
            fields = {"type": CACHE, "id": mount.id, "target": mount.target, "sharing": str(mount.sharing)}
            fields |= {"mode": f"{mount.mode:04o}", "uid": mount.uid, "gid": mount.gid}
            fields["ro"] = _flag_text(mount.readonly or None)
        case SeededCache():
            plain = to_text(mount.cache)
            return ",".join(
                (
                    plain,
                    quoted(f"from={mount.origin}"),
                    *([quoted(f"source={mount.source}")] if mount.source else []),
                )
            )
        case Tmpfs():
            fields = {"type": TMPFS, "target": mount.target, "mode": f"{mount.mode:04o}"}
            fields["size"] = mount.size or None
        case SecretUse(one, required) | AgentUse(one, required):
            kind = SECRET if isinstance(mount, SecretUse) else SSH
            fields = {"type": kind, "id": one.id, "target": one.target, "mode": f"{one.mode:04o}"}
            fields |= {"uid": one.uid, "gid": one.gid, "required": _flag_text(required)}
            fields["env"] = one.env if isinstance(one, SecretMount) else None
    return ",".join(
        quoted(f"{name}={value}")
        for name, value in fields.items()
        if value is not None and (value != "" or name == "from")
    )


def quoted(field: str) -> str:
    """Return a property as `parse` reads it, whatever is in it."""
    escaped = field.replace('"', '""')
    return f'"{escaped}"' if _QUOTED.search(field) else field


def cache_name(text: str) -> str:
    """Return the name of the folder of a cache with any id."""
    plain = text.strip("/").replace("/", "_")
    if NAME.fullmatch(plain):
        return plain
    return f"cache-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _fields(text: str) -> dict[str, str]:
    """Return the properties by their names, flags as ``true`` or ``false``; of several values the last one counts."""
    found: dict[str, str] = {}
    try:
        parts = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise UsageError(
            f"invalid quotes: {error}", hint='write "src=/a,b" for a value with a comma'
        ) from None
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        name = _ALIASES.get(name, name)
        if not equals and name not in _FLAGS:
            raise UsageError(
                f"expected NAME=VALUE, got {part!r}", hint="such as type=bind,src=/data,dst=/data"
            )
        found[name] = _flag(name, value if equals else "true") if name in _FLAGS else value
    return found


def _flag(name: str, value: str) -> str:
    if value not in _TRUE | _FALSE:
        raise UsageError(f"{name} cannot be {value!r}", hint="it is true or false")
    return "true" if value in _TRUE else "false"


def _target(text: str, workdir: str) -> str:
    if not text:
        return ""
    if not workdir and not text.startswith("/"):
        raise UsageError(f"expected an absolute path, got {text!r}", hint=f"write target=/{text}")
    found = posixpath.normpath(posixpath.join("/", workdir, text)).replace("//", "/")
    if found == "/":
        raise UsageError("nothing can be mounted over the whole root", hint="name a path in it")
    return found


def _writable(fields: Mapping[str, str]) -> bool | None:
    if "ro" in fields:
        return fields["ro"] == "false"
    return fields["rw"] == "true" if "rw" in fields else None


def _required(fields: Mapping[str, str]) -> bool | None:
    return fields["required"] == "true" if "required" in fields else None


def _id(fields: Mapping[str, str], name: str) -> int | None:
    return parse_id(name, fields[name]) if name in fields else None


def _mode(fields: Mapping[str, str], default: int) -> int:
    return parse_mode(fields["mode"]) if "mode" in fields else default


def _bind(fields: Mapping[str, str], target: str) -> Mount:
    return Bind(target, fields.get("source", ""), fields.get("from"), _writable(fields))


def _cache(fields: Mapping[str, str], target: str) -> Mount:
    sharing = fields.get("sharing") or "shared"
    if sharing not in tuple(Sharing):
        raise UsageError(f"sharing cannot be {sharing!r}", hint=f"it is {', '.join(Sharing)}")
    name, mode = cache_name(fields.get("id") or target), _mode(fields, 0o755)
    uid, gid = _id(fields, "uid") or 0, _id(fields, "gid") or 0
    return Cache(name, target, Sharing(sharing), mode, uid, gid, _writable(fields) is False)


def _seeded(fields: Mapping[str, str], target: str, dialect: Dialect) -> Mount:
    if not dialect.seeds:
        raise UsageError("a cache here begins empty", hint="leave out from= and source=")
    if not fields.get("from"):
        raise UsageError(
            "source= of a cache is a folder of what from= names, and there is no from=",
            hint="add from=STAGE, or leave out source=",
        )
    cache = _cache(fields, target)
    assert isinstance(cache, Cache)
    return SeededCache(cache, fields["from"], fields.get("source", ""))


def _tmpfs(fields: Mapping[str, str], target: str) -> Mount:
    size = parse_size(fields["size"]) if "size" in fields else 0
    return Tmpfs(target, size, _mode(fields, 0o1777))


def _secret(fields: Mapping[str, str], target: str) -> Mount:
    env = fields.get("env") or ""
    name = fields.get("source") or fields.get("id") or posixpath.basename(target) or env
    if not name:
        raise UsageError("it does not say which secret", hint="add id=NAME")
    if env and not VARIABLE.fullmatch(env):
        raise UsageError(f"env cannot be {env!r}", hint="it is the name of a variable")
    uid, gid = _id(fields, "uid"), _id(fields, "gid")
    return SecretUse(SecretMount(name, target, _mode(fields, 0o400), uid, gid, env), _required(fields))


def _ssh(fields: Mapping[str, str], target: str) -> Mount:
    name, mode = fields.get("id") or "default", _mode(fields, 0o600)
    uid, gid = _id(fields, "uid") or 0, _id(fields, "gid") or 0
    return AgentUse(AgentMount(name, target, mode, uid, gid), _required(fields))


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, str], str], Mount]]] = {
    BIND: _bind,
    CACHE: _cache,
    SECRET: _secret,
    TMPFS: _tmpfs,
    SSH: _ssh,
}


def _flag_text(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()

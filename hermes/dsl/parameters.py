"""The types of what ``ctx``, ``ctx.actions`` and ``entry`` take: checked in each call, and documented from here.

An error speaks of the types that the author of a rule knows: a string, a list of files, an ImageInfo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hermes.dsl.dialect.values import Check, EvalError, Struct, described, show
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
from hermes.testing.sizes import SIZES


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


def _info(provider: Provider) -> Type:
    def accepts(value: Any) -> bool:
        return type(value) is Info and value.provider is provider

    return Type(f"an {provider.name}", provider.name, accepts)


def _list(item: Type) -> Type:
    accepts = item.accepts
    text = f"a list of {item.many}"
    return _Listed(
        text, f"lists of {item.many}", lambda value: _is_list(value) and all(map(accepts, value)), item
    )


def _dict(keys: Type, values: Type) -> Type:
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


def _any(*types: Type) -> Type:
    return _Either(
        " or ".join(one.one for one in types),
        " or ".join(one.many for one in types),
        lambda value: any(one.accepts(value) for one in types),
        types,
    )


def _row(names: str, *items: Type, more: int = 0) -> Type:
    """A list of a fixed length, of which the last ``more`` items may be left out."""

    def accepts(value: Any) -> bool:
        return (
            _is_list(value)
            and len(items) - more <= len(value) <= len(items)
            and all(kind.accepts(one) for kind, one in zip(items, value, strict=False))
        )

    return _Row(f"a list of {names}", f"lists of {names}", accepts, items, more)


def _record(needed: Mapping[str, Type], optional: Mapping[str, Type]) -> Type:
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


def _or_none(kind: Type) -> Type:
    return _any(kind, NONE)


def _word(*words: str) -> Type:
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
IMAGE: Final = _info(IMAGE_INFO)
INDEX: Final = _info(INDEX_INFO)

_STRINGS: Final = _list(STRING)
_FILES: Final = _list(FILE)
_LAYERS: Final = _list(LAYER)
_TEXTS: Final = _dict(STRING, STRING)
_USER: Final = _row(
    "name, uid, gid, home, shell and whether the home is made", STRING, INT, INT, STRING, STRING, BOOL, more=1
)
_GROUP: Final = _row("name, gid and members", STRING, INT, _STRINGS, more=1)
_CONFIG: Final = _record(
    {},
    {
        "cmd": _or_none(_STRINGS),
        "created": _or_none(STRING),
        "entrypoint": _or_none(_STRINGS),
        "env": _or_none(_TEXTS),
        "health_check": _or_none(_STRINGS),
        "health_check_options": _or_none(_TEXTS),
        "labels": _or_none(_TEXTS),
        "ports": _or_none(_STRINGS),
        "stop_signal": _or_none(STRING),
        "unset": _or_none(
            _record(
                {},
                {
                    "env": _STRINGS,
                    "labels": _STRINGS,
                    "ports": _STRINGS,
                    "settings": _list(_word("cmd", "entrypoint", "stop_signal", "user")),
                    "volumes": _STRINGS,
                },
            )
        ),
        "user": _or_none(STRING),
        "volumes": _or_none(_STRINGS),
        "workdir": _or_none(STRING),
    },
)
_COMMAND: Final = _record(
    {
        "argv": _STRINGS,
        "excluded_error": _STRINGS,
        "excluded_output": _STRINGS,
        "exit_code": INT,
        "expected_error": _STRINGS,
        "expected_output": _STRINGS,
        "name": STRING,
    },
    {},
)
_REQUEST: Final = _record(
    {"path": STRING},
    {
        "body": STRING,
        "excluded_output": _STRINGS,
        "expected_headers": _TEXTS,
        "expected_output": _STRINGS,
        "headers": _TEXTS,
        "method": STRING,
        "status": INT,
    },
)
_HTTP: Final = _record(
    {
        "health_check": BOOL,
        "loopback": BOOL,
        "port": INT,
        "ready": STRING,
        "requests": _list(_REQUEST),
        "start_timeout": INT,
        "stop_timeout": INT,
    },
    {},
)
_MODE: Final = _or_none(_any(STRING, INT))

Signature = Mapping[str, Type]
"""The parameters of a call, in their order."""

ACTIONS: Final[Mapping[str, Signature]] = {
    "accounts": {"name": STRING, "root": _LAYERS, "users": _list(_USER), "groups": _list(_GROUP)},
    "check_programs": {
        "name": STRING,
        "layers": _LAYERS,
        "root": _LAYERS,
        "start": STRING,
        "missing": _STRINGS,
        "env": _or_none(_TEXTS),
        "environment": _or_none(FILE),
    },
    "copy": {
        "name": STRING,
        "root": _LAYERS,
        "paths": _STRINGS,
        "dest": STRING,
        "base": _LAYERS,
        "exclude": _STRINGS,
        "parents": BOOL,
        "owner": STRING,
        "mode": _or_none(INT),
    },
    "dockerfile": {
        "name": STRING,
        "dockerfile": FILE,
        "context": _FILES,
        "contexts": _or_none(_dict(STRING, TARGET)),
        "strip_prefix": STRING,
        "build_args": _or_none(_TEXTS),
        "target": STRING,
        "secrets": _STRINGS,
        "network": BOOL,
        "labels": _or_none(_TEXTS),
        "annotations": _or_none(_TEXTS),
        "squash": BOOL,
        "format": STRING,
    },
    "fetch": {
        "name": STRING,
        "urls": _STRINGS,
        "sha256": STRING,
        "size": _or_none(INT),
        "executable": BOOL,
        "integrity": STRING,
    },
    "fetch_wheel": {
        "name": STRING,
        "project": STRING,
        "version": STRING,
        "sha256": _STRINGS,
        "python": STRING,
        "libc": STRING,
    },
    "git": {"name": STRING, "url": STRING, "commit": STRING, "folder": STRING},
    "host": {
        "name": STRING,
        "root": _LAYERS,
        "argv": _STRINGS,
        "tools": _TEXTS,
        "env": _or_none(_TEXTS),
        "inputs": _or_none(_dict(STRING, _any(FILE, _FILES))),
        "network": BOOL,
        "timeout": _or_none(INT),
        "outputs": _STRINGS,
    },
    "image": {
        "name": STRING,
        "layers": _LAYERS,
        "base": _or_none(IMAGE),
        "built_on": _or_none(_dict(LAYER, _LAYERS)),
        "made_on": _or_none(_dict(LAYER, _LAYERS)),
        "config": _or_none(_CONFIG),
        "annotations": _or_none(_TEXTS),
        "compression": STRING,
        "compression_level": _or_none(INT),
        "allow_conflicts": BOOL,
        "checks": _FILES,
        "env_file": _or_none(FILE),
        "labels_file": _or_none(FILE),
        "format": STRING,
    },
    "import_image": {"name": STRING, "files": _FILES, "image": STRING},
    "index": {"name": STRING, "images": _list(IMAGE), "annotations": _or_none(_TEXTS)},
    "layer": {"name": STRING, "entries": _list(ENTRIES)},
    "pull": {"name": STRING, "ref": STRING, "digest": STRING, "folders": _or_none(_TEXTS)},
    "push": {
        "name": STRING,
        "image": _any(IMAGE, INDEX),
        "repository": STRING,
        "tags": _STRINGS,
        "compression": _or_none(STRING),
        "compression_level": _or_none(INT),
    },
    "run": {
        "name": STRING,
        "root": _LAYERS,
        "argv": _STRINGS,
        "env": _or_none(_TEXTS),
        "environment": _or_none(FILE),
        "inputs": _or_none(_dict(STRING, _any(FILE, _FILES))),
        "cwd": STRING,
        "user": STRING,
        "network": BOOL,
        "timeout": _or_none(INT),
        "outputs": _STRINGS,
        "layer": BOOL,
        "secrets": _list(SECRET),
        "secret_version": STRING,
        "mounts": _list(MOUNT),
        "subscriptions": _STRINGS,
        "trees": _or_none(_dict(STRING, LAYER)),
    },
    "squash": {"name": STRING, "layers": _LAYERS, "below": _LAYERS},
    "test": {
        "name": STRING,
        "image": IMAGE,
        "files": _FILES,
        "data": _FILES,
        "command": _or_none(_COMMAND),
        "http": _or_none(_HTTP),
        "args": _STRINGS,
        "writable": BOOL,
        "profile": STRING,
        "capabilities": _STRINGS,
        "dropped": _STRINGS,
        "tmpfs": _STRINGS,
        "network": BOOL,
        "env": _or_none(_TEXTS),
        "user": STRING,
        "workdir": STRING,
        "hostname": STRING,
        "size": _word(*SIZES),
        "timeout": _or_none(INT),
        "exclusive": BOOL,
    },
    "write": {"name": STRING, "content": STRING, "executable": BOOL},
}
"""The calls of ``ctx.actions``, but for ``s2i``, whose arguments are attributes of one rule."""

CONTEXT: Final[Mapping[str, Signature]] = {
    "locked": {"ref": STRING},
    "locked_folders": {"digest": STRING},
    "read_npm_lock": {
        "file": FILE,
        "node": STRING,
        "libc": STRING,
        "omit": _STRINGS,
        "exclude": _STRINGS,
        "allow_sha1": BOOL,
        "legacy_peer_deps": BOOL,
        "manifests": _FILES,
    },
    "read_python_lock": {
        "file": FILE,
        "python": STRING,
        "libc": STRING,
        "project": STRING,
        "extras": _STRINGS,
        "groups": _STRINGS,
        "sources": _STRINGS,
        "requirements": _or_none(FILE),
    },
    "read_yaml": {"file": FILE},
}
"""The calls of ``ctx``."""

ENTRY: Final[Mapping[str, Signature]] = {
    "directory": {"path": STRING, "mode": _MODE, "owner": STRING},
    "file": {"path": STRING, "src": FILE, "mode": _MODE, "owner": STRING},
    "files": {
        "srcs": _FILES,
        "dest": STRING,
        "strip_prefix": STRING,
        "mode": _MODE,
        "modes": _or_none(_dict(STRING, _any(STRING, INT))),
        "owner": STRING,
    },
    "node_packages": {"srcs": _FILES, "locations": _STRINGS, "bins": _list(_TEXTS)},
    "packages": {
        "srcs": _FILES,
        "database": STRING,
        "merged_usr": BOOL,
        "certificates": _or_none(_FILES),
        "only": _STRINGS,
    },
    "symlink": {"path": STRING, "target": STRING, "owner": STRING},
    "tar": {"src": FILE, "dest": STRING},
    "wheels": {"srcs": _FILES, "prefix": STRING, "python": STRING},
}
"""The calls of ``entry``."""


LOCKS: Final[Mapping[str, Signature]] = {
    "debian": {
        "file": LABEL,
        "packages": _STRINGS,
        "architectures": _STRINGS,
        "recommends": BOOL,
        "essential": BOOL,
        "exclude": _STRINGS,
        "sources": _STRINGS,
        "suites": _STRINGS,
    },
    "files": {"file": LABEL, "urls": _dict(STRING, _list(STRING))},
    "image": {"ref": STRING, "platforms": _STRINGS},
    "node": {"file": LABEL, "files": _list(LABEL), "legacy_peer_deps": BOOL},
    "python": {
        "file": LABEL,
        "requirements": LABEL,
        "python": STRING,
        "libc": STRING,
        "extras": _STRINGS,
        "groups": _STRINGS,
        "sources": _STRINGS,
    },
}
"""What a function ``lock`` of a rule may ask for: the fields of its struct, by its ``kind``."""


def check_lock(request: Struct) -> None:
    """Raise `EvalError` where a struct that a function ``lock`` returns does not say what is to be locked."""
    fields = dict(request.fields)
    kind = fields.pop("kind", None)
    signature = LOCKS.get(kind) if type(kind) is str else None
    if signature is None:
        raise EvalError(f"a lock has a kind, one of {', '.join(LOCKS)}, not {show(kind)}")
    known = _record(signature, {})
    if not known.accepts(fields):
        raise EvalError(f"a lock of the kind {kind} is {known.one}, not {known.wrong(fields)}")


def checking(calls: Mapping[str, Signature]) -> Check:
    """Return what raises `EvalError` for the first argument of a call that is of another type.

    Names that a call does not have, and calls that are not listed, are left to the call itself.
    """

    def check(function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        signature = calls.get(function.rpartition(".")[2])
        if signature is None:
            return
        for (name, kind), value in zip(signature.items(), args, strict=False):
            if not kind.accepts(value):
                raise _wrong(function, name, kind, value)
        for name, value in kwargs.items():
            found = signature.get(name)
            if found is not None and not found.accepts(value):
                raise _wrong(function, name, found, value)

    return check


def _wrong(function: str, name: str, kind: Type, value: Any) -> EvalError:
    return EvalError(f"{function}(): {name} is {kind.one}, not {kind.wrong(value)}")

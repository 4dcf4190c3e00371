"""What ``ctx``, ``ctx.actions``, ``entry`` and locks take: checked in each call, and documented from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hermes.dsl.dialect.values import Check, EvalError, Struct, show
from hermes.dsl.parameter_types import (
    BOOL,
    ENTRIES,
    FILE,
    IMAGE,
    INDEX,
    INT,
    LABEL,
    LAYER,
    MOUNT,
    SECRET,
    STRING,
    TARGET,
    Type,
    any_of,
    dict_of,
    list_of,
    or_none,
    record_of,
    row_of,
    word_of,
)
from hermes.testing.sizes import SIZES

_STRINGS: Final = list_of(STRING)
_FILES: Final = list_of(FILE)
_LAYERS: Final = list_of(LAYER)
_TEXTS: Final = dict_of(STRING, STRING)
_USER: Final = row_of(
    "name, uid, gid, home, shell and whether the home is made", STRING, INT, INT, STRING, STRING, BOOL, more=1
)
_GROUP: Final = row_of("name, gid and members", STRING, INT, _STRINGS, more=1)
_CONFIG: Final = record_of(
    {},
    {
        "cmd": or_none(_STRINGS),
        "created": or_none(STRING),
        "entrypoint": or_none(_STRINGS),
        "env": or_none(_TEXTS),
        "health_check": or_none(_STRINGS),
        "health_check_options": or_none(_TEXTS),
        "labels": or_none(_TEXTS),
        "ports": or_none(_STRINGS),
        "stop_signal": or_none(STRING),
        "unset": or_none(
            record_of(
                {},
                {
                    "env": _STRINGS,
                    "labels": _STRINGS,
                    "ports": _STRINGS,
                    "settings": list_of(word_of("cmd", "entrypoint", "stop_signal", "user")),
                    "volumes": _STRINGS,
                },
            )
        ),
        "user": or_none(STRING),
        "volumes": or_none(_STRINGS),
        "workdir": or_none(STRING),
    },
)
_COMMAND: Final = record_of(
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
_REQUEST: Final = record_of(
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
_HTTP: Final = record_of(
    {
        "health_check": BOOL,
        "loopback": BOOL,
        "port": INT,
        "ready": STRING,
        "requests": list_of(_REQUEST),
        "start_timeout": INT,
        "stop_timeout": INT,
    },
    {},
)
_MODE: Final = or_none(any_of(STRING, INT))

Signature = Mapping[str, Type]
"""The parameters of a call, in their order."""

ACTIONS: Final[Mapping[str, Signature]] = {
    "accounts": {"name": STRING, "root": _LAYERS, "users": list_of(_USER), "groups": list_of(_GROUP)},
    "check_programs": {
        "name": STRING,
        "layers": _LAYERS,
        "root": _LAYERS,
        "start": STRING,
        "missing": _STRINGS,
        "env": or_none(_TEXTS),
        "environment": or_none(FILE),
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
        "mode": or_none(INT),
    },
    "dockerfile": {
        "name": STRING,
        "dockerfile": FILE,
        "context": _FILES,
        "contexts": or_none(dict_of(STRING, TARGET)),
        "strip_prefix": STRING,
        "build_args": or_none(_TEXTS),
        "target": STRING,
        "secrets": _STRINGS,
        "network": BOOL,
        "labels": or_none(_TEXTS),
        "annotations": or_none(_TEXTS),
        "squash": BOOL,
        "format": STRING,
    },
    "fetch": {
        "name": STRING,
        "urls": _STRINGS,
        "sha256": STRING,
        "size": or_none(INT),
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
        "env": or_none(_TEXTS),
        "inputs": or_none(dict_of(STRING, any_of(FILE, _FILES))),
        "network": BOOL,
        "timeout": or_none(INT),
        "outputs": _STRINGS,
    },
    "image": {
        "name": STRING,
        "layers": _LAYERS,
        "base": or_none(IMAGE),
        "built_on": or_none(dict_of(LAYER, _LAYERS)),
        "made_on": or_none(dict_of(LAYER, _LAYERS)),
        "config": or_none(_CONFIG),
        "annotations": or_none(_TEXTS),
        "compression": STRING,
        "compression_level": or_none(INT),
        "allow_conflicts": BOOL,
        "checks": _FILES,
        "env_file": or_none(FILE),
        "labels_file": or_none(FILE),
        "format": STRING,
    },
    "import_image": {"name": STRING, "files": _FILES, "image": STRING},
    "index": {"name": STRING, "images": list_of(IMAGE), "annotations": or_none(_TEXTS)},
    "layer": {"name": STRING, "entries": list_of(ENTRIES)},
    "pull": {"name": STRING, "ref": STRING, "digest": STRING, "folders": or_none(_TEXTS)},
    "push": {
        "name": STRING,
        "image": any_of(IMAGE, INDEX),
        "repository": STRING,
        "tags": _STRINGS,
        "compression": or_none(STRING),
        "compression_level": or_none(INT),
    },
    "run": {
        "name": STRING,
        "root": _LAYERS,
        "argv": _STRINGS,
        "env": or_none(_TEXTS),
        "environment": or_none(FILE),
        "inputs": or_none(dict_of(STRING, any_of(FILE, _FILES))),
        "cwd": STRING,
        "user": STRING,
        "network": BOOL,
        "timeout": or_none(INT),
        "outputs": _STRINGS,
        "layer": BOOL,
        "secrets": list_of(SECRET),
        "secret_version": STRING,
        "mounts": list_of(MOUNT),
        "subscriptions": _STRINGS,
        "trees": or_none(dict_of(STRING, LAYER)),
    },
    "squash": {"name": STRING, "layers": _LAYERS, "below": _LAYERS},
    "test": {
        "name": STRING,
        "image": IMAGE,
        "files": _FILES,
        "data": _FILES,
        "command": or_none(_COMMAND),
        "http": or_none(_HTTP),
        "args": _STRINGS,
        "writable": BOOL,
        "profile": STRING,
        "capabilities": _STRINGS,
        "dropped": _STRINGS,
        "tmpfs": _STRINGS,
        "network": BOOL,
        "env": or_none(_TEXTS),
        "user": STRING,
        "workdir": STRING,
        "hostname": STRING,
        "size": word_of(*SIZES),
        "timeout": or_none(INT),
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
        "requirements": or_none(FILE),
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
        "modes": or_none(dict_of(STRING, any_of(STRING, INT))),
        "owner": STRING,
    },
    "node_packages": {"srcs": _FILES, "locations": _STRINGS, "bins": list_of(_TEXTS)},
    "packages": {
        "srcs": _FILES,
        "database": STRING,
        "merged_usr": BOOL,
        "certificates": or_none(_FILES),
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
    "files": {"file": LABEL, "urls": dict_of(STRING, list_of(STRING))},
    "image": {"ref": STRING, "platforms": _STRINGS},
    "node": {"file": LABEL, "files": list_of(LABEL), "legacy_peer_deps": BOOL},
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
    known = record_of(signature, {})
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

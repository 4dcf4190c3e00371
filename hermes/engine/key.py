"""Action keys: the sha256 of everything that can change an action's output.

The preimage is canonical JSON of ``{schema, kind, params, env, platform, inputs, codec}``, where ``inputs``
is a list of ``[role, path, digest]`` in declared order. What is hashed is what `explain` prints, so the key
and its explanation cannot drift apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from hermes.digest import canonical_json, parse_json
from hermes.engine.action import EXECUTABLE, LINK, Action, Value

SCHEMA: Final = 2
"""Raised when an action of the same key would give another output than before."""

UNKEYED: Final = "unkeyed:"
"""A role that begins with this only says where bytes are that the digest of another input vouches for."""

_MARKS: Final = {EXECUTABLE: "+x", LINK: "+link"}


class Resolved(NamedTuple):
    """An input whose artifact is known.

    ``origin`` is the path of a source on disk, else empty; ``stamp`` is then what tells that the file there
    is still the one that was hashed.
    """

    role: str
    path: str
    value: Value
    origin: str = ""
    stamp: tuple[int, int, int, int] | None = None


def preimage(action: Action, inputs: Sequence[Resolved]) -> bytes:
    """Return what the key of ``action`` is made of."""
    rows = [
        [role + _MARKS.get(value[0], ""), path, value[1]]
        for role, path, value, _, _ in inputs
        if not role.startswith(UNKEYED)
    ]
    head = canonical_json({"codec": action.codec, "env": json.loads(action.env)})[:-1]
    return b"".join(
        (
            head,
            b',"inputs":',
            canonical_json(rows),
            b',"kind":',
            canonical_json(action.kind),
            b',"params":',
            action.params.encode("utf-8", "surrogateescape"),
            b',"platform":',
            canonical_json(action.platform),
            b',"schema":%d}' % SCHEMA,
        )
    )


def key_of(image: bytes) -> str:
    """Return the action key of a preimage, in hexadecimal."""
    return hashlib.sha256(image).hexdigest()


def facts(image: bytes) -> Iterator[tuple[str, str]]:
    """Yield what a preimage says, as name and value; names are unique."""
    document = parse_json(image)
    for name in ("kind", "platform", "codec"):
        if document[name]:
            yield name, document[name]
    yield from _flat("", document["params"])
    yield from _flat("env", document["env"])
    for role, path, digest in document["inputs"]:
        yield f"{role} {path}" if path else role, digest


def differences(old: bytes, new: bytes) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the facts in which two preimages differ: name, old value, new value (None: it had none)."""
    before, after = _unique(facts(old)), _unique(facts(new))
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)


def _unique(pairs: Iterator[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        unique, number = name, 1
        while unique in found:
            number += 1
            unique = f"{name} #{number}"
        found[unique] = value
    return found


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}" if name else key, item)
    else:
        yield name, value if isinstance(value, str) else canonical_json(value).decode("utf-8", "replace")

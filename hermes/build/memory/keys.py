"""The keys that the actions of a workspace had when they were last executed, and the time before.

Also of those that another turned out to stand for, which are known by it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from hermes.digest import read_json
from hermes.store import Store

STANDARD_INPUT: Final = "-"
"""What a Dockerfile is called that is in no file."""


def remember_keys(store: Store, root: Path, keys: Mapping[str, str]) -> None:
    """Note the keys of actions that were executed; ``keys`` maps their ids."""
    notes = {}
    for action, key in keys.items():
        known = keys_of(store, root, action)
        if not known or known[-1] != key:
            notes[_name(root, action)] = json.dumps([*known[-1:], key]).encode()
    store.results.note(notes)


def keys_of(store: Store, root: Path, action: str) -> list[str]:
    """Return the keys of an action: the one before the last, if it had another, and the last."""
    noted = store.results.noted(_name(root, action))
    if noted is None:
        return []
    try:
        return [str(key) for key in read_json(noted)]
    except (ValueError, TypeError):
        return []


def noted_keys(store: Store) -> set[str]:
    """Return all keys that `keys_of` can give, for any workspace."""
    found: set[str] = set()
    for noted in store.results.notes():
        with suppress(ValueError, TypeError):
            found.update(one for one in read_json(noted) if isinstance(one, str))
    return found


def part_of(whole: str, action: str) -> str:
    """Return the id of an action as a part of another, or of a Dockerfile."""
    return f"{whole}/{action}"


def remember_parts(store: Store, root: Path, parts: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Note ids and kinds of the actions that others, or Dockerfiles, stand for."""
    store.results.note({_name(root, name, "parts"): json.dumps(row).encode() for name, row in parts.items()})


def parts_of(store: Store, root: Path, action: str) -> list[tuple[str, str]]:
    """Return ids and kinds of what an action, or a Dockerfile, stood for when it was last looked at."""
    noted = store.results.noted(_name(root, action, "parts"))
    try:
        return [(str(name), str(kind)) for name, kind in read_json(noted or b"[]")]
    except (ValueError, TypeError):
        return []


def _name(root: Path, action: str, what: str = "keys") -> str:
    return f"{what}:{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}:{action}"

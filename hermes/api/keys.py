"""The keys that the actions of a workspace had when they were last executed, and the time before."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from hermes.store import Store


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
        return [str(key) for key in json.loads(noted)]
    except (ValueError, TypeError):
        return []


def _name(root: Path, action: str) -> str:
    return f"keys:{hashlib.sha256(os.fsencode(root)).hexdigest()[:32]}:{action}"

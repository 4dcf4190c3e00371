"""Which layers are extracted: the folders ``trees/HEX`` of the store."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from hermes.digest import Digest
from hermes.store import Store

OWNERS: Final = "owners"
"""The file beside a tree, made in a namespace with one id, that says who should own what is not root's."""


PASSING: Final = "parents"
"""The file beside a tree that says which of its directories are none of its layer's changes: a `Passing` in JSON."""


class Passing(NamedTuple):
    """Directories that a layer holds only because something is in them, as paths like those of `Entry`.

    ``implied`` ones have no entry; ``passed`` ones have an entry that says what they were in the root that the layer was
    made on. In a stack neither covers what another layer says of the directory.
    """

    implied: Sequence[str] = ()
    passed: Sequence[str] = ()


def write_passing(folder: str, passing: Passing) -> None:
    with open(f"{folder}/{PASSING}", "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(passing, file)


def read_passing(folder: str) -> Passing:
    """Return what `write_passing` wrote; earlier versions wrote a list of paths."""
    with open(f"{folder}/{PASSING}", encoding="utf-8", errors="surrogateescape") as file:
        found = json.load(file)
    if len(found) == 2 and all(isinstance(one, list) for one in found):
        return Passing(*found)
    return Passing(found)


def has_tree(store: Store, diff_id: Digest, *, owned: bool = False) -> bool:
    """Tell whether a layer is extracted; ``owned``: with every file belonging to whom it should."""
    folder = f"{store.trees}/{diff_id.hex}"
    return os.path.isdir(f"{folder}/root") and not (owned and os.path.exists(f"{folder}/{OWNERS}"))

"""Which layers are extracted: the folders ``trees/HEX`` of the store."""

from __future__ import annotations

import os
from typing import Final

from hermes.digest import Digest
from hermes.store import Store

OWNERS: Final = "owners"
"""The file beside a tree, made in a namespace with one id, that says who should own what is not root's."""


def has_tree(store: Store, diff_id: Digest, *, owned: bool = False) -> bool:
    """Tell whether a layer is extracted; ``owned``: with every file belonging to whom it should."""
    folder = f"{store.trees}/{diff_id.hex}"
    return os.path.isdir(f"{folder}/root") and not (owned and os.path.exists(f"{folder}/{OWNERS}"))

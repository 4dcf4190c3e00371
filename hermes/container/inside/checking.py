"""Whether trees are still what their layers are, in the user namespace. Loads little: programs wait for it."""

from __future__ import annotations

import os
from contextlib import suppress

from hermes.container.calls.layers import CHECK, Checked, Checking
from hermes.container.inside.scratch import store_at
from hermes.digest import Digest
from hermes.errors import HermesError
from hermes.layer.trees import is_sealed, read_owners, read_passing, seal
from hermes.sandbox.remote import serves
from hermes.store import Store
from hermes.store.removal import remove_tree


@serves(CHECK)
def check(call: Checking) -> Checked:
    """Remove those trees that are not what their layers are, and return them.

    A tree is read where its seal says that it was changed, or all are to be ``read``; one that is right is sealed again.
    """
    with store_at(call.home) as store:
        removed = []
        for diff_id in call.diff_ids:
            folder = f"{store.trees}/{diff_id.hex}"
            was_sealed = is_sealed(folder)
            if was_sealed and not call.read:
                continue
            if _is_intact(store, diff_id, folder):
                with suppress(OSError):  # of a store that is read-only
                    if not was_sealed:
                        seal(folder)
            else:
                away = store.scratch.path()
                os.rename(folder, away)
                remove_tree(away)
                removed.append(diff_id)
        return Checked(tuple(removed))


def _is_intact(store: Store, diff_id: Digest, folder: str) -> bool:
    from hermes.layer import toc
    from hermes.layer.tree_check import difference

    try:
        read_passing(folder)
        return not difference(toc.load(store, diff_id), f"{folder}/root", read_owners(folder))
    except (OSError, ValueError, TypeError, HermesError):
        return False

"""Removing folders of a store that may hold files of any id of the user namespace."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable

from hermes.container.calls.layers import REMOVE, Removal
from hermes.sandbox.namespace import Namespace
from hermes.store import Store
from hermes.store.removal import remove_tree
from hermes.store.scratch import abandoned


class Remover:
    """Removes folders of one store. Safe to use from several threads."""

    def __init__(self, store: Store, namespace: Namespace) -> None:
        self._store = store
        self._namespace = namespace

    def remove(self, folders: Iterable[str]) -> None:
        """Remove folders.

        Each is first renamed: a process that is killed meanwhile leaves no partial tree where a whole one is expected.
        """
        left = []
        for folder in folders:
            doomed = folder
            with contextlib.suppress(OSError):
                away = self._store.scratch.path()
                os.rename(folder, away)
                doomed = away
            remove_tree(doomed)
            if os.path.lexists(doomed):
                left.append(doomed)
        if left:
            self._namespace.call(REMOVE, Removal(tuple(left)))

    def clear_caches(self, names: Collection[str] = ()) -> list[str]:
        """Remove the caches of these names, or all; return the names of those that are in use and stay."""
        folders = [one for one in self._store.caches.folders() if not names or one.name in names]
        kept = [one.name for one in folders if not self._store.caches.clear(one, self.remove)]
        return list(dict.fromkeys(kept))

    def sweep(self) -> None:
        """Remove what processes that were killed have left in the store."""
        if found := abandoned(self._store.home / "tmp"):
            self.remove(str(folder) for folder in found)


def sweep_after(namespace: Namespace, store: Store) -> None:
    """End a namespace that was interrupted, and remove what its processes had no time to."""
    namespace.close()
    again = namespace.another()
    try:
        Remover(store, again).sweep()
    finally:
        again.close()

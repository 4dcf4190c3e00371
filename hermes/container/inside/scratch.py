"""What a call in the user namespace works in: the store, and a temporary folder with mounts of its own.

Each call of `hermes.sandbox.namespace.Namespace` runs in a process of its own, and leaves no mount behind, because
its mount namespace ends with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hermes.container.calls.layers import REMOVE, Removal
from hermes.container.mounts import mounted_below
from hermes.sandbox.remote import serves
from hermes.sandbox.syscalls import CLONE_NEWNS, MNT_DETACH, umount, unshare
from hermes.store import Store
from hermes.store.io_errors import storing
from hermes.store.removal import remove_tree


@contextmanager
def store_at(home: str) -> Iterator[Store]:
    """Give the store at ``home``, with a scratch folder of this process.

    An `OSError` of what is done with it becomes a `StoreError`.
    """
    with storing(home):
        store = Store(Path(home))
        try:
            yield store
        finally:
            store.close()


@contextmanager
def scratch_of(store: Store) -> Iterator[str]:
    """Give a temporary folder, and a mount namespace that ends with this process.

    What is mounted in the folder is unmounted before the folder is removed, or that would reach what is mounted.
    """
    unshare(CLONE_NEWNS)
    with store.scratch.directory() as folder:
        try:
            yield str(folder)
        finally:
            for path in mounted_below(str(folder)):
                umount(path, MNT_DETACH)


@serves(REMOVE)
def remove(call: Removal) -> None:
    for path in call.paths:
        remove_tree(path)

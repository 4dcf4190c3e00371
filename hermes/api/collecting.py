"""What a store knows of things that it no longer has, and that are made anew when something needs them."""

from __future__ import annotations

from hermes.actions.local import available
from hermes.build.memory.keys import noted_keys
from hermes.engine.action import Value
from hermes.engine.executor import Result
from hermes.layer import encodings
from hermes.store import Store


def forget_lost(store: Store) -> None:
    """Forget layers that can no longer be fetched, and results with outputs that are gone.

    What the last keys of actions were made of stays, for `explain`.
    """
    encodings.forget_lost(store)

    def can_be_had(value: Value) -> bool:
        return available(store, value) or store.remote_blobs.of(value.digest) is not None

    def wanted(data: bytes) -> bool:
        result = Result.load(data)
        return result is not None and all(map(can_be_had, result.outputs.values()))

    store.results.keep(wanted, noted_keys(store))
    store.private_blobs.forget(lambda one: not (encodings.available(store, one) or store.blobs.has(one)))

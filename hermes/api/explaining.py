"""``hermes explain``: which input of an action was another one when it last ran.

The preimages of the key that an action had and of the one before tell the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hermes.build.dockerfile.options import DockerfileOptions, dockerfile_of, folder_of
from hermes.build.memory.keys import keys_of, parts_of
from hermes.build.session import Session, without_collection
from hermes.engine.key import differences, facts
from hermes.store import Store

if TYPE_CHECKING:
    from hermes.build.options import BuildOptions
    from hermes.workspace.location import Location


class Change(NamedTuple):
    """A fact that an action depends on: before and now; None where there was or is none."""

    name: str
    before: str | None
    now: str | None


class Explanation(NamedTuple):
    """Why an action was last executed.

    ``changes`` lists what was different from the time before; it is empty when it ran for the first time, or
    again because its result was gone. ``facts`` is everything that it depends on, as name and value.
    """

    action: str
    kind: str
    key: str
    ran_before: bool
    changes: tuple[Change, ...]
    facts: tuple[tuple[str, str], ...]


def explain(where: Location, patterns: Sequence[str], options: BuildOptions) -> Iterator[Explanation]:
    """Yield why each action of the targets was last executed, in build order; one never executed is left out."""
    store = Store.open(where.home)
    try:
        with without_collection():
            session = Session.open(where.root, store, options, lambda _: None)
            labels = session.labels(patterns, where.package)
            session.analysis.analyze(labels)
        owners = {str(label) for label in labels}
        for action in session.analysis.graph.actions.values():
            if action.owner in owners:
                for name, kind in (
                    *parts_of(store, where.root, action.id),
                    (action.id, action.kind),
                ):
                    yield from _explained(store, where.root, name, kind)
    finally:
        store.close()


def explain_dockerfile(options: DockerfileOptions, home: Path) -> Iterator[Explanation]:
    """Yield why each action of a Dockerfile was last executed by ``hermes bud``, in build order."""
    root = folder_of(options)
    file, _ = dockerfile_of(options, root)
    store = Store.open(home)
    try:
        for name, kind in parts_of(store, root, os.path.relpath(file, root)):
            yield from _explained(store, root, name, kind)
    finally:
        store.close()


def _explained(store: Store, root: Path, action: str, kind: str) -> Iterator[Explanation]:
    keys = keys_of(store, root, action)
    now = store.results.preimage(keys[-1]) if keys else None
    if now is None:
        return
    before = store.results.preimage(keys[0]) if len(keys) > 1 else None
    changes = tuple(Change(*row) for row in differences(before, now)) if before else ()
    yield Explanation(action, kind, keys[-1], before is not None, changes, tuple(facts(now)))

"""Actions and what they gave, as plain tuples that `marshal` takes, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hermes.digest import Digest
from hermes.engine.action import Action, ActionGraph, Artifact, Input, Output, Source, Value
from hermes.engine.scheduler import LastResult


def pack_actions(actions: Iterable[Action]) -> list[Any]:
    """Return rows for `unpack_actions`."""
    return [
        (
            one.id,
            one.owner,
            one.kind,
            one.params,
            [(row.role, row.path, row.artifact[0], _name(row.artifact), row.hint) for row in one.inputs],
            one.outputs,
            one.unkeyed,
            one.env,
            one.platform,
            one.codec,
            one.timeout,
            one.exclusive,
        )
        for one in actions
    ]


def unpack_actions(rows: Iterable[Any]) -> ActionGraph:
    graph = ActionGraph()
    for identity, owner, kind, params, inputs, outputs, *more in rows:
        unpacked = tuple(
            Input(role, path, Source(first) if name is None else Output(first, name), hint)
            for role, path, first, name, hint in inputs
        )
        graph.actions[identity] = Action(identity, owner, kind, params, unpacked, outputs, *more)
    return graph


def pack_known(known: Mapping[str, LastResult]) -> dict[str, Any]:
    """Return rows for `unpack_known`."""
    return {
        name: (
            one.key,
            {key: (value.kind, str(value.digest), value.size) for key, value in one.outputs.items()},
            one.milliseconds,
        )
        for name, one in known.items()
    }


def unpack_known(rows: Mapping[str, Any], names: Iterable[str]) -> dict[str, LastResult]:
    """Return what the actions called ``names`` gave."""
    found = {}
    for name in names:
        if (row := rows.get(name)) is not None:
            key, outputs, milliseconds = row
            values = {
                output: Value(kind, Digest(digest), size) for output, (kind, digest, size) in outputs.items()
            }
            found[name] = LastResult(key, values, milliseconds)
    return found


def sources_of(row: Any) -> list[str]:
    """Return the files of the workspace that a packed action reads."""
    return [first for _, _, first, name, _ in row[4] if name is None]


def _name(artifact: Artifact) -> str | None:
    return artifact.name if type(artifact) is Output else None

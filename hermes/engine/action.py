"""Actions, the nodes of a build, as plain data that another process could execute given a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hermes.digest import Digest

FILE: Final = "file"
EXECUTABLE: Final = "executable"
LINK: Final = "link"


class Source(NamedTuple):
    """A file of the workspace, by its path relative to the root."""

    path: str


class Output(NamedTuple):
    """What the action called ``action`` makes under the name ``name``."""

    action: str
    name: str


Artifact = Source | Output


class Value(NamedTuple):
    """What an artifact turned out to be.

    ``kind`` is ``file``, ``executable``, ``link`` or another that the producing and consuming actions agree
    on. ``digest`` is its identity: of content, of a link's target, a layer's diff_id. ``size`` is in bytes.
    """

    kind: str
    digest: Digest
    size: int = 0


class Input(NamedTuple):
    """What an action reads.

    ``role`` says what for and ``path`` where the action sees it; both mean what the kind of action says,
    and both are in the key, unless the role begins with `hermes.engine.key.UNKEYED`. ``hint`` is outside the key: a form that the producer may as well make.
    """

    role: str
    path: str
    artifact: Artifact
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """One node of the build.

    ``id`` is unique, ``owner`` the label of the target it belongs to. ``kind`` says what executes it.
    ``params`` is canonical JSON and in the key; ``unkeyed`` is canonical JSON that cannot change an output
    (mirrors to try). ``platform`` is set where it matters, ``codec`` where compressed bytes are made.
    ``outputs`` are the names of what it makes. ``timeout`` is after how many seconds it is ended, and an ``exclusive``
    one is executed when nothing else is; neither is in a key.
    """

    id: str
    owner: str
    kind: str
    params: str
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    unkeyed: str = "{}"
    env: str = "{}"
    platform: str = ""
    codec: str = ""
    timeout: int | None = None
    exclusive: bool = False

    def depends_on(self) -> Iterator[str]:
        """Yield the ids of the actions whose outputs this one reads."""
        for one in self.inputs:
            if type(one.artifact) is Output:
                yield one.artifact.action


@dataclass(slots=True)
class ActionGraph:
    """Actions by id; every action stands after those it depends on."""

    actions: dict[str, Action] = field(default_factory=dict)

    def add(self, action: Action) -> None:
        assert action.id not in self.actions, action.id
        self.actions[action.id] = action

    def closure(self, wanted: Iterable[str]) -> list[str]:
        """Return ``wanted`` and all actions that they depend on, dependencies first."""
        needed: set[str] = set()
        pending = list(wanted)
        while pending:
            name = pending.pop()
            if name not in needed and name in self.actions:
                needed.add(name)
                pending.extend(self.actions[name].depends_on())
        return [name for name in self.actions if name in needed]

    def consumers(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Map each of ``names`` to those of them that read an output of it, in graph order."""
        found: dict[str, list[str]] = {name: [] for name in names}
        for name in found:
            for dependency in dict.fromkeys(self.actions[name].depends_on()):
                if dependency in found:
                    found[dependency].append(name)
        return found


Outputs = Mapping[str, Value]
"""Output name -> what it is, of one action."""

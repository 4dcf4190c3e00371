"""What a build has to do: which actions there are, which results are known, and what the next build will remember."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hermes.build.memory.records import Update
from hermes.build.memory.snapshot import Check
from hermes.build.outputs import Linked
from hermes.build.requested_outputs import Wanted
from hermes.build.result import BuiltOutput
from hermes.engine.action import ActionGraph
from hermes.engine.scheduler import LastResult
from hermes.workspace.root import Settings
from hermes.workspace.sources import FileIndex


@dataclass(slots=True)
class Work:
    """The part of a plan that is run.

    ``graph`` has every action that may have to run, ``total`` counts all that the ``wanted`` outputs need. Of
    the actions in ``known`` only those in ``dirty`` are looked at (None: all are). ``before`` are the outputs
    of the last build, one for each wanted (None: there was none), where those are still intact; ``changed`` are sources
    that are not what they were then.
    """

    graph: ActionGraph
    wanted: list[Wanted]
    total: int
    settings: Settings
    index: FileIndex
    known: dict[str, LastResult]
    dirty: Collection[str] | None = None
    before: Sequence[BuiltOutput | None] = ()
    changed: Collection[str] = field(default=())

    @property
    def wanted_actions(self) -> list[str]:
        """The actions in the graph that give wanted outputs."""
        actions = dict.fromkeys(one.action for one in self.wanted if one.output)
        return [name for name in actions if name in self.graph.actions]


class Plan(Protocol):
    """A way to come by the work of a build."""

    work: Work

    def snapshot(self, known: dict[str, LastResult], linked: Linked) -> tuple[Check, Update]:
        """Return what the next build needs in order to see what has changed.

        ``known`` is what the actions of the work gave, ``linked`` what is in the output folder.
        """
        ...

"""Writes down the actions of one image, each owned by the step that it belongs to, such as ``assemble``."""

from __future__ import annotations

from collections.abc import Sequence

from hermes.actions.specs.base_layer import BaseLayer
from hermes.actions.specs.copy import Copy, CopyEntry
from hermes.actions.specs.resolve_destination import Named, ResolveDestination
from hermes.actions.specs.spec import Ref, Spec, declared
from hermes.dockerfile.context import Collection, Context, Match, Row
from hermes.dockerfile.files import Files
from hermes.dockerfile.origins import BaseImage
from hermes.dockerfile.source import Span
from hermes.dockerfile.state import StackLayer
from hermes.engine.action import ActionGraph, Artifact, Output
from hermes.image.platform import Platform
from hermes.layer.entry import DIRECTORY, FILE, HARDLINK
from hermes.wildcards import Ignored

NOWHERE = Span(0, 0)


class Steps:
    """The actions; ``epoch`` is the time of everything, in seconds."""

    def __init__(self, platform: Platform, epoch: int) -> None:
        self.graph = ActionGraph()
        self._platform = platform
        self._epoch = epoch
        self._named: dict[str, int] = {}

    def add(self, spec: Spec[Ref], step: str) -> str:
        """Add an action and return its id."""
        wanted = f"{step}.{spec.kind}"
        number = self._named[wanted] = self._named.get(wanted, 0) + 1
        identity = wanted if number == 1 else f"{wanted}.{number}"
        self.graph.add(declared(spec, name=identity, owner=step, platform=str(self._platform)))
        return identity

    def layer(self, spec: Spec[Ref], step: str, name: str) -> StackLayer:
        """Add an action that makes a layer, and return that; ``name`` is what errors call it."""
        return StackLayer(Output(self.add(spec, step), "layer"), name, NOWHERE)

    def base(self, image: BaseImage, step: str) -> list[StackLayer]:
        """Return the layers of an image that is in the store."""
        return [
            StackLayer(
                Output(self.add(BaseLayer(diff_id=one.diff_id), step), "layer"), image.name, NOWHERE, one
            )
            for one in image.layers
        ]

    def files(
        self, files: Files, dest: str, owner: str, stack: Sequence[StackLayer], step: str
    ) -> StackLayer:
        """Return a layer with files at ``dest``, with the modes that a checkout of git has."""
        collection = Collection(Context(files), Ignored((), of=""), parents=False)
        collection.add(Match("", "", ""))
        return self._copied(list(collection.rows.values()), dest, owner, stack, step)

    def programs(
        self, programs: dict[str, Artifact], dest: str, owner: str, stack: Sequence[StackLayer], step: str
    ) -> StackLayer:
        """Return a layer with files at ``dest`` that can be executed, by their names."""
        rows = [Row(name, FILE, 0o755, source=one) for name, one in sorted(programs.items())]
        return self._copied(rows, dest, owner, stack, step)

    def _copied(
        self, rows: list[Row], dest: str, owner: str, stack: Sequence[StackLayer], step: str
    ) -> StackLayer:
        place = ResolveDestination(
            dest=dest.lstrip("/"),
            entries=tuple(Named(row.name, row.type) for row in rows),
            folder=True,
            owner=owner,
            roots=refs(stack),
        )
        copy = Copy(
            entries=tuple(CopyEntry(row.name, row.type, _mode(row), row.link, row.device) for row in rows),
            mtime=self._epoch,
            destination=Ref(Output(self.add(place, step), "destination")),
            sources=tuple(Ref(row.source, row.name) for row in rows if row.source is not None),
        )
        return self.layer(copy, step, step)


def refs(layers: Sequence[StackLayer]) -> tuple[Ref, ...]:
    """Return layers as an action that looks at them reads them."""
    return tuple(Ref(one.artifact, one.name) for one in layers)


def _mode(row: Row) -> int:
    """Return 0755 or 0644, whatever the umask of the checkout was."""
    if row.type == DIRECTORY:
        return 0o755
    return 0o755 if row.type in (FILE, HARDLINK) and row.mode & 0o100 else 0o644

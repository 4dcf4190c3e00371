"""What a build gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class BuiltOutput(NamedTuple):
    """Something that a target gave.

    ``kind`` is ``image``, ``index``, ``layer``, ``file``, ``push`` (a file that says where an image goes), ``test`` (a file
    that says what came of one) or ``tested`` (the configuration of an image that a test is of);
    ``digest`` that of the manifest, the index, the layer's
    uncompressed tar (its diff_id), or of the file; ``path`` where it is on disk.
    """

    kind: str
    digest: str
    path: str


class BuildResult(NamedTuple):
    """``executed`` are the labels of targets whose actions ran, in dependency order, each once.

    ``cached`` counts actions that did not run, ``targets`` maps the label of each wanted target to what it
    gave.
    """

    executed: tuple[str, ...]
    cached: int
    targets: Mapping[str, tuple[BuiltOutput, ...]]

    def to_json(self) -> dict[str, Any]:
        targets = {label: [one._asdict() for one in outputs] for label, outputs in self.targets.items()}
        return {"cached": self.cached, "executed": list(self.executed), "targets": targets}

"""The files of build contexts as sources of actions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hermes.build.memory.snapshot import Snapshots
from hermes.engine.action import Value
from hermes.store import Store
from hermes.workspace.sources import FileIndex

if TYPE_CHECKING:
    from hermes.layer.content import Signature


class ContextFiles:
    """The files of all contexts of a build; a source is the name of its context, a NUL and its path there. See `hermes.engine.scheduler.Sources`."""

    def __init__(self, folders: Mapping[str, str], store: Store) -> None:
        self._opened = {folder: _opened(Path(folder), store) for folder in dict.fromkeys(folders.values())}
        self._indexes = {name: self._opened[folder][0] for name, folder in folders.items()}

    def seen(self, path: str) -> tuple[Value, str, Signature]:
        name, _, inside = path.partition("\0")
        return self._indexes[name].seen(inside)

    def save(self, store: Store) -> None:
        for index, path in self._opened.values():
            index.save(store, path)


def _opened(root: Path, store: Store) -> tuple[FileIndex, Path]:
    path = Snapshots(store.home, root).files
    return FileIndex.load(root, path), path
